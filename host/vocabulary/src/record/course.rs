//! The kinds of record for a run that waits and continues, and for what takes its acts back.

macro_rules! with_course {
    ($($others:tt)*) => {
        with_words! {
            $($others)*
            /// A run that was cut off or suspended was resumed.
            RunResumed {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who resumed it.
                by: Principal,
                /// The kind of this record: `run-resumed`.
                kind: RecordKind,
                /// How long the run had been active before, in milliseconds.
                #[serde(default)]
                spent_ms: u64,
                /// Whether no caller attends the run. If it is cut off, the next host resumes it.
                #[serde(default, skip_serializing_if = "std::ops::Not::not")]
                unattended: bool,
                /// How long the machine had been up then.
                #[serde(default)]
                uptime: Uptime,
                /// The version of this body's form.
                v: u32,
                /// For how long the run had been suspended, in milliseconds; 0 if it was cut off. The run's clock counts this time, and its active
                /// time does not.
                #[serde(default, skip_serializing_if = "is_zero")]
                waited_ms: u64,
            }
            /// A run waits for something that takes long. It was unloaded from memory, and nothing of it is under way.
            RunSuspended {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The time on the run's own clock, in milliseconds.
                clock_ms: u64,
                /// The kind of this record: `run-suspended`.
                kind: RecordKind,
                /// For how long the run had been active by then, in milliseconds over all its processes.
                spent_ms: u64,
                /// How long the machine had been up then.
                uptime: Uptime,
                /// The version of this body's form.
                v: u32,
                /// What the run waits for.
                waits_for: WaitsFor,
            }
            /// The agent has said how an act that it is about to ask for can be taken back. The request that does so is kept sealed beside it.
            UndoRegistered {
                /// What was asked: the request that would be sent.
                ask: AskedFor,
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The bytes of its request's headers and body, and of its pre-image.
                bytes: u64,
                /// The act that it takes back.
                covers: Resource,
                /// The keyed digest of the method and the whole target of that act.
                covers_key: Digest,
                /// Statuses besides 200 to 299 with which its server says that the act is taken back, or was not there.
                #[serde(default, skip_serializing_if = "Vec::is_empty")]
                done_at: Vec<u16>,
                /// Its number in the run, counted from 1.
                id: u64,
                /// The kind of this record: `undo-registered`.
                kind: RecordKind,
                /// The keyed digest of every byte of it.
                params: Digest,
                /// How long the run had been active by then, in milliseconds over all its processes.
                spent_ms: u64,
                /// The version of this body's form.
                v: u32,
                /// What it does, in the agent's own words. A claim.
                words: SafeText,
            }
            /// The agent has withdrawn an undo, because its act did not happen.
            UndoDischarged {
                /// What was asked.
                ask: AskedFor,
                /// The time, in milliseconds since 1970.
                at: u64,
                /// Its number in the run.
                id: u64,
                /// The kind of this record: `undo-discharged`.
                kind: RecordKind,
                /// The keyed digest of every byte of the ask.
                params: Digest,
                /// How long the run had been active by then, in milliseconds over all its processes.
                spent_ms: u64,
                /// The version of this body's form.
                v: u32,
            }
            /// What became of one undo, in the run that carries it out.
            UndoDone {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who stated it, if it was unknown.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                by: Option<Principal>,
                /// What became of it.
                end: UndoEnd,
                /// Its number in the run that is rolled back.
                id: u64,
                /// The kind of this record: `undo-done`.
                kind: RecordKind,
                /// The run that is rolled back.
                of: RunId,
                /// The number of the operation in this run. Absent if a person stated it.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                op: Option<u64>,
                /// The status of the answer, if there was one.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                status: Option<u16>,
                /// The version of this body's form.
                v: u32,
            }
        }
    };
}
