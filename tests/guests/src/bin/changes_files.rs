//! Changes files with the ordinary functions of the standard library, as its arguments say: a word and its parameters, separated by `|`.
//! Each result is printed as a line of JSON.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use guests::{Value, args_from, json, say};

fn done(words: &[&str]) -> std::io::Result<Value> {
    Ok(match words {
        ["write", path, text] => json!(fs::write(path, text)?),
        ["append", path, text] => json!(OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())?),
        ["new", path, text] => json!(OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())?),
        ["read", path] => json!(fs::read_to_string(path)?),
        ["size", path, size] => {
            let size = size.parse().map_err(std::io::Error::other)?;
            json!(OpenOptions::new().write(true).open(path)?.set_len(size)?)
        }
        ["mkdir", path] => json!(fs::create_dir(path)?),
        ["rename", from, to] => json!(fs::rename(from, to)?),
        ["rm", path] => json!(fs::remove_file(path)?),
        ["rmdir", path] => json!(fs::remove_dir(path)?),
        ["list", path] => {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            json!(names)
        }
        // Like a database: a journal beside the file, a write in the middle, and the journal is removed.
        ["transact", path, text] => {
            let journal = format!("{path}-journal");
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let mut before = Vec::new();
            file.read_to_end(&mut before)?;
            let mut kept = fs::File::create_new(&journal)?;
            kept.write_all(&before)?;
            kept.sync_all()?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            drop(kept);
            fs::remove_file(&journal)?;
            file.rewind()?;
            let mut after = String::new();
            file.read_to_string(&mut after)?;
            json!(after)
        }
        // Like a version control system: a lock file that is renamed into place.
        ["lock", path, text] => {
            let lock = format!("{path}.lock");
            OpenOptions::new().write(true).create_new(true).open(&lock)?.write_all(text.as_bytes())?;
            json!(fs::rename(&lock, path)?)
        }
        ["modified", path] => json!(fs::metadata(path)?.modified()?.duration_since(std::time::UNIX_EPOCH).map_err(std::io::Error::other)?.as_secs()),
        ["fail"] => std::process::exit(1),
        _ => return Err(std::io::Error::other("no such word")),
    })
}

fn main() {
    for line in args_from(1) {
        let words: Vec<&str> = line.split('|').collect();
        match done(&words) {
            Ok(value) => say(json!({ "ok": value })),
            Err(err) => say(json!({ "err": format!("{:?}", err.kind()) })),
        }
    }
}
