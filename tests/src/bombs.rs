//! Components that are small but expensive to read, to check, to compile or to start. Each is valid, or breaks one bound.

use std::borrow::Cow;
use std::fmt::Write as _;

use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentSection as _, ComponentSectionId, ConstExpr, CustomSection, DataSection, ExportKind,
    ExportSection, Function, FunctionSection, Instruction, MemorySection, MemoryType, Module, RawSection, TypeSection, ValType,
};

use crate::wat::assembled;

/// One function with this many instructions.
#[must_use]
pub fn huge_function(instructions: usize) -> Vec<u8> {
    let mut body = vec![Instruction::I32Const(1)];
    body.extend((0..instructions / 2).flat_map(|index| [Instruction::I32Const(index as i32), Instruction::I32Mul]));
    command(&one_function(Function::new([]), &body))
}

/// One function with this many calls to itself, each an edge for the compiler.
#[must_use]
pub fn many_calls(calls: usize) -> Vec<u8> {
    let mut body: Vec<_> = (0..calls).flat_map(|_| [Instruction::Call(0), Instruction::Drop]).collect();
    body.push(Instruction::I32Const(0));
    command(&one_function(Function::new([]), &body))
}

/// One jump table with this many entries, which lead to two places in turn.
#[must_use]
pub fn br_table(ways: usize) -> Vec<u8> {
    let places: Vec<u32> = (0..ways).map(|way| way as u32 % 2).collect();
    let body = [
        Instruction::Block(BlockType::Empty),
        Instruction::Block(BlockType::Empty),
        Instruction::I32Const(0),
        Instruction::BrTable(Cow::Owned(places), 0),
        Instruction::End,
        Instruction::End,
        Instruction::I32Const(0),
    ];
    command(&one_function(Function::new([]), &body))
}

/// One function with this many nested blocks.
#[must_use]
pub fn nested_blocks(depth: usize) -> Vec<u8> {
    let mut body = vec![Instruction::Block(BlockType::Empty); depth];
    body.extend(vec![Instruction::End; depth]);
    body.push(Instruction::I32Const(0));
    command(&one_function(Function::new([]), &body))
}

/// One function with this many locals, which take four bytes in the file.
#[must_use]
pub fn locals(count: u32) -> Vec<u8> {
    command(&one_function(Function::new([(count, ValType::V128)]), &[Instruction::I32Const(0)]))
}

/// This many functions, each of which does a little.
#[must_use]
pub fn functions(count: u32) -> Vec<u8> {
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for index in 0..count {
        functions.function(0);
        code.function(&finished(Function::new([]), &[Instruction::I32Const(index as i32), Instruction::I32Const(3), Instruction::I32Mul]));
    }
    command(&module(&functions, &code, 0))
}

/// This many different types of functions.
#[must_use]
pub fn types(count: usize) -> Vec<u8> {
    let mut text = String::from("(component (core module $m ");
    for index in 0..count {
        let params: String = (0..17).map(|bit| if index >> bit & 1 == 0 { " i32" } else { " i64" }).collect();
        let _ = write!(text, "(type (func (param{params})))");
    }
    text.push_str("(func (export \"run\") (result i32) (i32.const 0)))");
    assembled(&lifted(&text))
}

/// A segment of this many zeros, in a memory that has room for them.
#[must_use]
pub fn data(bytes: usize) -> Vec<u8> {
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(0);
    code.function(&finished(Function::new([]), &[Instruction::I32Const(0)]));
    command(&module(&functions, &code, bytes))
}

/// A memory of this many pages whose first and last bytes are set: a small file that needs all of the memory.
#[must_use]
pub fn sparse_data(pages: u32) -> Vec<u8> {
    let end = u64::from(pages) * 65536 - 1;
    assembled(&lifted(&format!(
        "(component (core module $m (memory {pages}) (data (i32.const 0) \"a\") (data (i32.const {end}) \"b\")
        (func (export \"run\") (result i32) (i32.const 0)))"
    )))
}

/// This many instances of one module, all alive at once.
#[must_use]
pub fn instances(count: usize) -> Vec<u8> {
    let mut text = String::from("(component (core module $m (memory 1) (func (export \"run\") (result i32) (i32.const 0)))");
    text.push_str(&"(core instance (instantiate $m))".repeat(count));
    assembled(&lifted(&text))
}

/// This many instances of one component, each with a module of its own.
#[must_use]
pub fn nested_instances(count: usize) -> Vec<u8> {
    let mut text = String::from("(component (core module $m (func (export \"run\") (result i32) (i32.const 0)))");
    text.push_str("(component $c (core module $n (memory 1)) (core instance (instantiate $n)))");
    text.push_str(&"(instance (instantiate $c))".repeat(count));
    assembled(&lifted(&text))
}

/// This many nested components.
#[must_use]
pub fn nested_components(depth: usize) -> Vec<u8> {
    let mut bytes = Component::new().finish();
    for _ in 0..depth {
        let mut outer = Component::new();
        outer.section(&RawSection { id: ComponentSectionId::Component.into(), data: &bytes });
        bytes = outer.finish();
    }
    bytes
}

/// Nested components, each of which makes two instances of the next inner one: few bytes, and two to the power of `depth` instances.
#[must_use]
pub fn doubling_instances(depth: usize) -> Vec<u8> {
    let mut inner = String::from("(component $c0 (core module $n (memory 1)) (core instance (instantiate $n)))");
    for level in 1..=depth {
        let below = level - 1;
        inner = format!("(component $c{level} {inner} (instance (instantiate $c{below})) (instance (instantiate $c{below})))");
    }
    let core = "(core module $m (func (export \"run\") (result i32) (i32.const 0)))";
    assembled(&lifted(&format!("(component {core} {inner} (instance (instantiate $c{depth}))")))
}

/// Types that each contain the type before twice: few bytes, and two to the power of `depth` fields.
#[must_use]
pub fn doubling_types(depth: usize) -> Vec<u8> {
    let mut text = String::from("(component (core module $m (func (export \"run\") (result i32) (i32.const 0))) (type $t0 (tuple u8 u8))");
    for level in 1..=depth {
        let below = level - 1;
        let _ = write!(text, "(type $t{level} (tuple $t{below} $t{below}))");
    }
    let _ = write!(text, "(import \"wasi:cli/environment@0.2.12\" (instance (export \"take\" (func (param \"a\" $t{depth})))))");
    assembled(&lifted(&text))
}

/// A component with one more custom section at its end, for example a forged manifest or signature.
#[must_use]
pub fn with_section(component: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    CustomSection { name: name.into(), data: data.into() }.append_to_component(&mut bytes);
    bytes
}

/// A core module that exports `run`, as a component that can be called.
///
/// # Panics
/// Never: it only parses a component that it has made itself.
#[must_use]
pub fn command(core: &[u8]) -> Vec<u8> {
    let small = assembled(&lifted("(component (core module $m (func (export \"run\") (result i32) (i32.const 0)))"));
    // The small module is the first section: eight bytes of preamble, its kind, its length in one byte. The other module replaces it.
    let length = small.get(9).copied().map(usize::from).expect("there is a section");
    let rest = small.get(10 + length..).expect("more sections follow");
    let mut component = Component::new();
    component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: core });
    [&component.finish(), rest].concat()
}

/// The end of a component whose first module exports `run`.
fn lifted(text: &str) -> String {
    format!(
        "{text} (core instance $i (instantiate $m)) (func $run (result (result)) (canon lift (core func $i \"run\")))
        (instance $out (export \"run\" (func $run))) (export \"wasi:cli/run@0.2.12\" (instance $out)))"
    )
}

fn one_function(function: Function, body: &[Instruction<'_>]) -> Vec<u8> {
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(0);
    code.function(&finished(function, body));
    module(&functions, &code, 0)
}

fn finished(mut function: Function, body: &[Instruction<'_>]) -> Function {
    for instruction in body {
        function.instruction(instruction);
    }
    function.instruction(&Instruction::End);
    function
}

fn module(functions: &FunctionSection, code: &CodeSection, zeros: usize) -> Vec<u8> {
    let (mut types, mut memories, mut exports, mut module) =
        (TypeSection::new(), MemorySection::new(), ExportSection::new(), Module::new());
    types.ty().function([], [ValType::I32]);
    memories.memory(MemoryType {
        minimum: zeros.div_ceil(65536) as u64,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    exports.export("run", ExportKind::Func, 0);
    module.section(&types).section(functions).section(&memories).section(&exports).section(code);
    if zeros > 0 {
        let mut segments = DataSection::new();
        segments.active(0, &ConstExpr::i32_const(0), vec![0; zeros]);
        module.section(&segments);
    }
    module.finish()
}
