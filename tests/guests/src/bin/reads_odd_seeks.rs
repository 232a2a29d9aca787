//! Reads a file at offsets and with lengths that no file has. Argument: the path. The host must never size a buffer by an offset.

use guests::{arg, file_outcome, json, mount, outcome, say, stream_end};
use wasip2::filesystem::types::{Advice, DescriptorFlags, OpenFlags, PathFlags};

const ODD: [u64; 7] = [0, 1, 1 << 31, 1 << 32, 1 << 62, 1 << 63, u64::MAX];

fn main() {
    let file = mount().open_at(PathFlags::SYMLINK_FOLLOW, &arg(1), OpenFlags::empty(), DescriptorFlags::READ).expect("the file opens");
    for offset in ODD {
        for length in ODD {
            let read = file.read(length, offset).map(|(bytes, end)| (bytes.len(), end));
            let advice = file.advise(offset, length, Advice::WillNeed);
            let line = match file.read_via_stream(offset) {
                Ok(stream) => {
                    let skipped = outcome(stream.blocking_skip(length).map_err(stream_end));
                    let more = outcome(stream.blocking_read(length).map(|bytes| bytes.len()).map_err(stream_end));
                    json!([skipped, more])
                }
                Err(code) => json!({ "err": code.name() }),
            };
            say(json!({ "offset": offset, "length": length, "read": file_outcome(read), "advise": file_outcome(advice), "stream": line }));
        }
    }
}
