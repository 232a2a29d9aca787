//! Calls every function of `wasi:filesystem` that changes something. Arguments: a file and a folder that exist in the mount,
//! and a second mount (if there is one) to link and rename into.

use guests::{Value, arg, json, mount, say};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags};

fn told<T>(name: &str, result: Result<T, ErrorCode>) {
    let result: Value = match result {
        Ok(_) => json!("ok"),
        Err(code) => json!(code.name()),
    };
    say(json!({ "call": name, "result": result }));
}

fn on_descriptor(name: &str, file: &Descriptor) {
    let now = NewTimestamp::Now;
    told(&format!("{name} write"), file.write(b"changed", 0));
    told(&format!("{name} write-via-stream"), file.write_via_stream(0));
    told(&format!("{name} append-via-stream"), file.append_via_stream());
    told(&format!("{name} set-size"), file.set_size(1));
    told(&format!("{name} set-times"), file.set_times(now, now));
    told(&format!("{name} sync"), file.sync());
    told(&format!("{name} sync-data"), file.sync_data());
}

fn main() {
    let (root, file, folder) = (mount(), arg(1), arg(2));
    let (follow, none) = (PathFlags::SYMLINK_FOLLOW, PathFlags::empty());
    let (read, write) = (DescriptorFlags::READ, DescriptorFlags::WRITE);
    on_descriptor("mount", &root);
    let open = |open, flags| root.open_at(follow, &file, open, flags);
    match open(OpenFlags::empty(), read) {
        Ok(opened) => on_descriptor("file", &opened),
        Err(code) => told::<()>("open to read", Err(code)),
    }
    told("open to write", open(OpenFlags::empty(), write));
    told("open to truncate", open(OpenFlags::TRUNCATE, read));
    told("open to truncate and write", open(OpenFlags::TRUNCATE, read | write));
    told("open to create", root.open_at(follow, "new-file", OpenFlags::CREATE, read));
    told("open to create only", root.open_at(follow, "new-file", OpenFlags::CREATE | OpenFlags::EXCLUSIVE, write));
    told("open to mutate", root.open_at(follow, &folder, OpenFlags::DIRECTORY, read | DescriptorFlags::MUTATE_DIRECTORY));
    told("create-directory-at", root.create_directory_at("new-folder"));
    told("remove-directory-at", root.remove_directory_at(&folder));
    told("unlink-file-at", root.unlink_file_at(&file));
    told("symlink-at", root.symlink_at(&file, "new-link"));
    told("set-times-at", root.set_times_at(none, &file, NewTimestamp::Now, NewTimestamp::NoChange));
    for (other, name) in get_directories() {
        told(&format!("link-at into {name}"), root.link_at(none, &file, &other, "new-link"));
        told(&format!("rename-at into {name}"), root.rename_at(&file, &other, "new-name"));
    }
    told("std write", std::fs::write(format!("{file}.new"), b"x").map_err(|_| ErrorCode::NotPermitted));
}
