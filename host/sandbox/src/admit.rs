//! Links a compiled component once against what is served. Every run is instantiated from the result.

use wasmtime::component::types::{ComponentFunc, ComponentItem, ResultType, Type};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use crate::engine::Engine;
use crate::err::SandboxError;
use crate::guest::Guest;
use crate::start::EntryPoint;
use crate::wasi;

/// A component that is ready to be run any number of times. Cheap to clone.
#[derive(Clone)]
pub struct Prepared {
    pub(crate) engine: Engine,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) entry: EntryPoint,
    pub(crate) function: ComponentExportIndex,
}

impl Prepared {
    /// Checks every import against what is served, by name and type.
    ///
    /// # Errors
    /// An import that is not served, or no entry point.
    pub fn new(engine: &Engine, component: &Component) -> Result<Self, SandboxError> {
        let link = |err: wasmtime::Error| SandboxError::Link { what: format!("{err:#}") };
        let mut linker = Linker::new(&engine.inner);
        wasi::link(&mut linker).map_err(link)?;
        wasi::sockets::link(&mut linker, &engine.inner, component).map_err(link)?;
        let pre = linker.instantiate_pre(component).map_err(link)?;
        let (entry, function) = entry_point(engine, component).ok_or(SandboxError::NoEntryPoint)?;
        Ok(Self { engine: engine.clone(), pre, entry, function })
    }

    /// See [`crate::profile`].
    pub fn profile(&self) -> &str {
        self.engine.profile()
    }

    /// The component's entry point.
    pub fn entry(&self) -> EntryPoint {
        self.entry
    }
}

fn entry_point(engine: &Engine, component: &Component) -> Option<(EntryPoint, ComponentExportIndex)> {
    let find = |prefix: &str, is_it: fn(&ComponentFunc) -> bool| {
        let exports = component.component_type();
        let (name, run) = exports.exports(&engine.inner).filter(|(name, _)| name.starts_with(prefix)).find_map(|(name, item)| {
            let ComponentItem::ComponentInstance(interface) = item.ty else { return None };
            Some((name.to_owned(), interface.get_export(&engine.inner, "run")?.ty))
        })?;
        // A function of that name with another type can't be called.
        let ComponentItem::ComponentFunc(run) = run else { return None };
        let instance = component.get_export_index(None, &name)?;
        is_it(&run).then(|| component.get_export_index(Some(&instance), "run")).flatten()
    };
    let agent = find("bailiwick:agent/agent@0.1.", runs_agent).map(|function| (EntryPoint::Agent, function));
    agent.or_else(|| find("wasi:cli/run@0.2.", runs_command).map(|function| (EntryPoint::Command, function)))
}

/// `func(input: string) -> result<string, failure>`.
fn runs_agent(run: &ComponentFunc) -> bool {
    let takes_text = run.params().map(|(_, ty)| ty).eq([Type::String]);
    let fails = |ty: &Type| matches!(ty, Type::Record(failure) if failure.fields().map(|field| (field.name, field.ty)).eq([("code", Type::String), ("message", Type::String)]));
    takes_text && matches!(one_result(run), Some(result) if result.ok() == Some(Type::String) && result.err().is_some_and(|ty| fails(&ty)))
}

/// `func() -> result`.
fn runs_command(run: &ComponentFunc) -> bool {
    run.params().len() == 0 && one_result(run).is_some_and(|result| result.ok().is_none() && result.err().is_none())
}

fn one_result(run: &ComponentFunc) -> Option<ResultType> {
    let mut results = run.results();
    match (results.next(), results.next()) {
        (Some(Type::Result(result)), None) => Some(result),
        _ => None,
    }
}

/// How long a guest may compute before it must yield, in ticks of the engine.
pub(crate) const YIELD_TICKS: u64 = 1;
