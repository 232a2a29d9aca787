//! Calls the host with values that its types do not allow. Argument: which. The host has to trap, or to accept them as they are.

use guests::{arg, get, json, mount, say};

#[link(wasm_import_module = "wasi:filesystem/types@0.2.12")]
unsafe extern "C" {
    #[link_name = "[method]descriptor.open-at"]
    fn open_at(own: i32, follow: i32, path: *const u8, len: usize, open: i32, flags: i32, out: *mut u8);
    #[link_name = "[method]descriptor.stat"]
    fn stat(own: i32, out: *mut u8);
    #[link_name = "[method]descriptor.advise"]
    fn advise(own: i32, offset: i64, length: i64, advice: i32, out: *mut u8);
}

#[link(wasm_import_module = "wasi:io/poll@0.2.12")]
unsafe extern "C" {
    #[link_name = "poll"]
    fn poll(handles: *const u32, len: usize, out: *mut u8);
}

#[link(wasm_import_module = "wasi:http/types@0.2.12")]
unsafe extern "C" {
    #[link_name = "[method]outgoing-request.set-method"]
    fn set_method(own: i32, case: i32, text: *const u8, len: usize) -> i32;
    #[link_name = "[method]outgoing-request.set-authority"]
    fn set_authority(own: i32, some: i32, text: *const u8, len: usize) -> i32;
}

fn main() {
    let case = arg(1);
    let mut out = [0_u64; 32];
    let out = out.as_mut_ptr().cast::<u8>();
    let (folder, request) = (|| mount().take_handle() as i32, get("http://a.test/").take_handle() as i32);
    let bad = b"\xff\xed\xa0\x80\0\xc0\xaf";
    // SAFETY: each of these violates the contract of its function on purpose; the host has to notice.
    unsafe {
        match case.as_str() {
            "string-too-long" => open_at(folder(), 0, bad.as_ptr(), usize::MAX, 0, 1, out),
            "string-out-of-range" => open_at(folder(), 0, (usize::MAX - 3) as *const u8, 64, 0, 1, out),
            "string-not-utf8" => open_at(folder(), 0, bad.as_ptr(), bad.len(), 0, 1, out),
            "flags-unknown" => open_at(folder(), !1, c"a".as_ptr().cast(), 1, !15, !63, out),
            "result-out-of-range" => open_at(folder(), 0, c"a".as_ptr().cast(), 1, 0, 1, (usize::MAX - 7) as *mut u8),
            "result-misaligned" => stat(folder(), out.add(1)),
            "enum-unknown" => advise(folder(), -1, -1, 77, out),
            "list-too-long" => poll(out.cast(), usize::MAX / 2, out),
            "list-misaligned" => poll(out.add(2).cast(), 1, out),
            "variant-unknown" => drop(set_method(request, 99, bad.as_ptr(), 0)),
            "option-of-two" => drop(set_authority(request, 2, bad.as_ptr(), 0)),
            other => panic!("no case `{other}`"),
        }
    }
    say(json!({ "survived": case }));
}
