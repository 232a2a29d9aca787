//! The kinds of record for the decisions of people: on acts that are held back, on what may be used, and on a damaged or shortened record.

macro_rules! with_words {
    ($($others:tt)*) => {
        records! {
            $($others)*
            /// An act is held back until people have approved it.
            ApprovalAsked {
                /// What was asked.
                ask: AskedFor,
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The bounds and the rule of the permit that there will be.
                bounds: Bounds,
                /// The digest of what is to be approved ([`crate::ApprovalSubject`]).
                digest: Digest,
                /// The environment of the resource.
                environment: SafeText,
                /// The kind of this record: `approval-asked`.
                kind: RecordKind,
                /// Who must approve it.
                needs: Requirement,
                /// The number of the operation in the run.
                op: u64,
                /// The keyed digest of every byte of the ask.
                params: Digest,
                /// The policies that demand the approval.
                policy: PolicyBasis,
                /// How long the run had been active by then, in milliseconds over all its processes.
                spent_ms: u64,
                /// How long the machine had been up then.
                uptime: Uptime,
                /// The version of this body's form.
                v: u32,
            }
            /// A person voted on an act that is held back.
            ApprovalVoted {
                /// Whether the act is approved with this vote.
                approved: bool,
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user of the machine who handed the vote in.
                by: Principal,
                /// The digest of what was voted on.
                digest: Digest,
                /// The kind of this record: `approval-voted`.
                kind: RecordKind,
                /// By which means the vote was given.
                means: VoteMeans,
                /// The number of the operation in the run.
                op: u64,
                /// The person who voted, as the configuration names the person.
                person: SafeText,
                /// The person's own reason; empty if the person gave none.
                #[serde(default, skip_serializing_if = "SafeText::is_empty")]
                reason: SafeText,
                /// How long the machine had been up then.
                uptime: Uptime,
                /// The version of this body's form.
                v: u32,
                /// What the person said.
                vote: Vote,
            }
            /// An approval ended without being used.
            ApprovalClosed {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who ended it, if a person did.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                by: Option<Principal>,
                /// The digest of what was to be approved.
                digest: Digest,
                /// How it ended.
                end: ApprovalEnd,
                /// The kind of this record: `approval-closed`.
                kind: RecordKind,
                /// The number of the operation in the run.
                op: u64,
                /// The version of this body's form.
                v: u32,
            }
            /// A person trusted a configuration.
            ConfigTrusted {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The digest of everything that the configuration may cause.
                authority: Digest,
                /// The user who did this.
                by: Principal,
                /// The digest of the configuration's bytes.
                config: Digest,
                /// The kind of this record: `config-trusted`.
                kind: RecordKind,
                /// Whether it was for one command only (`--trust`).
                once: bool,
                /// The path of the configuration.
                path: SafeText,
                /// The version of this body's form.
                v: u32,
            }
            /// A person revoked the trust in a configuration.
            ConfigUntrusted {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// The digest of the configuration's bytes, as they were trusted.
                config: Digest,
                /// The kind of this record: `config-untrusted`.
                kind: RecordKind,
                /// The path of the configuration.
                path: SafeText,
                /// The version of this body's form.
                v: u32,
            }
            /// A person accepted an agent: the code that runs under its name, and its authority.
            AgentAccepted {
                /// The name of the agent in the configuration.
                agent: SafeText,
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The digest of everything that was accepted.
                authority: Digest,
                /// The user who did this.
                by: Principal,
                /// The kind of this record: `agent-accepted`.
                kind: RecordKind,
                /// The path of the configuration.
                path: SafeText,
                /// The version of this body's form.
                v: u32,
            }
            /// A person revoked the acceptance of an agent.
            AgentUnaccepted {
                /// The name of the agent in the configuration.
                agent: SafeText,
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The digest of everything that had been accepted. Absent if this home did not know it.
                authority: Option<Digest>,
                /// The user who did this.
                by: Principal,
                /// The kind of this record: `agent-unaccepted`.
                kind: RecordKind,
                /// The path of the configuration.
                path: SafeText,
                /// The version of this body's form.
                v: u32,
            }
            /// A person stated whether an act with an unknown outcome happened. The statement counts until the act is asked again.
            ActSettled {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// Whether it happened.
                did: bool,
                /// The kind of this record: `act-settled`.
                kind: RecordKind,
                /// The number of the operation in the run.
                op: u64,
                /// The version of this body's form.
                v: u32,
            }
            /// A person sealed the vault of the home under another key.
            VaultSealed {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// The kind of this record: `vault-sealed`.
                kind: RecordKind,
                /// Where that key comes from.
                under: SealedUnder,
                /// The version of this body's form.
                v: u32,
            }
            /// A person accepted the present record, although it is known to have been longer or different.
            RollbackAccepted {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// The kind of this record: `rollback-accepted`.
                kind: RecordKind,
                /// The root over the records that are there.
                now_root: Digest,
                /// How many records are there.
                now_size: u64,
                /// The version of this body's form.
                v: u32,
                /// The home in which the record was continued until then, if it was another one. Then this home was a copy of it.
                was_home: Option<SafeText>,
                /// The log that the home had, if it was another log.
                was_log: Option<SafeText>,
                /// The root that was remembered.
                was_root: Option<Digest>,
                /// How many records were remembered.
                was_size: Option<u64>,
            }
            /// A person replaced a key of the home by a new one.
            KeyRotated {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// How many records the log has, including this one. The new key signs what follows.
                from: u64,
                /// The key that was replaced.
                key: RotatedKey,
                /// The kind of this record: `key-rotated`.
                kind: RecordKind,
                /// The old key's signature over the new one, in hexadecimal. Absent for the home's key, which signs nothing.
                link: Option<SafeText>,
                /// The new key: a public key, or a name of the home's key from which the key can't be computed.
                now: SafeText,
                /// Under what the new key is sealed. Absent if it is unsealed in the home.
                under: Option<SealedUnder>,
                /// The version of this body's form.
                v: u32,
                /// The old key.
                was: SafeText,
            }
            /// A person restored the home from a backup. What happened after the backup was made is not known here.
            Restored {
                /// When this was recorded, in milliseconds since 1970: by `restore`, or at the first use of the home if the backup had no
                /// keys.
                at: u64,
                /// When the backup was begun, in milliseconds since 1970.
                backup_at: u64,
                /// The user who restored it. Without keys, the user who used it first.
                by: Principal,
                /// The kind of this record: `restored`.
                kind: RecordKind,
                /// The root over the records in the backup.
                root: Digest,
                /// How many records were in the backup.
                size: u64,
                /// The version of this body's form.
                v: u32,
            }
            /// A person released a run that was open in a restored copy, so that it may continue. What it did after the copy was made may
            /// be done again.
            RunReleased {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// The kind of this record: `run-released`.
                kind: RecordKind,
                /// The run.
                released: RunId,
                /// The version of this body's form.
                v: u32,
            }
            /// A person set a damaged part of the record aside. The record continues from the whole part before it.
            Reanchored {
                /// The folder in the home in which the damaged part is kept.
                aside: SafeText,
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// How many bytes were set aside.
                bytes: u64,
                /// The SHA-256 digest of what was set aside.
                digest: Digest,
                /// The kind of this record: `reanchored`.
                kind: RecordKind,
                /// The root over the records that are whole.
                now_root: Digest,
                /// How many records are whole.
                now_size: u64,
                /// The reason, in the person's words.
                reason: SafeText,
                /// The version of this body's form.
                v: u32,
                /// The root that was remembered.
                was_root: Option<Digest>,
                /// How many records were remembered.
                was_size: Option<u64>,
                /// What was damaged, and where.
                what: SafeText,
            }
            /// The beginning of the record is pruned, with or without an archive. What remains begins with segment `until`.
            Pruned {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// How many bytes the pruned segments had.
                bytes: u64,
                /// The SHA-256 digest over their files, in the order of their numbers.
                digest: Digest,
                /// The first pruned segment.
                first: u64,
                /// When the first pruned record was made, in milliseconds since 1970.
                from_ms: Option<u64>,
                /// The kind of this record: `pruned`.
                kind: RecordKind,
                /// The root over all records before the cut.
                root: Digest,
                /// How many records there were before the cut, counted from the very first one.
                size: u64,
                /// The folder in which they are archived. Absent if they are dropped.
                to: Option<SafeText>,
                /// When the last pruned record was made, in milliseconds since 1970.
                to_ms: Option<u64>,
                /// The first segment that remains.
                until: u64,
                /// The version of this body's form.
                v: u32,
            }
            /// What ended runs had sealed was made unreadable for good, because it was old.
            PayloadsForgotten {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// It concerns runs whose last record is older than this moment, in milliseconds since 1970.
                before_ms: u64,
                /// The user who did this.
                by: Principal,
                /// The kind of this record: `payloads-forgotten`.
                kind: RecordKind,
                /// How many runs it concerns.
                runs: u64,
                /// The version of this body's form.
                v: u32,
            }
            /// A run was put on legal hold: its records are neither pruned nor forgotten.
            HoldSet {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// The run.
                held: RunId,
                /// The kind of this record: `hold-set`.
                kind: RecordKind,
                /// The reason, in the person's words.
                reason: SafeText,
                /// The version of this body's form.
                v: u32,
            }
            /// A run is no longer on hold.
            HoldLifted {
                /// The time, in milliseconds since 1970.
                at: u64,
                /// The user who did this.
                by: Principal,
                /// The run.
                held: RunId,
                /// The kind of this record: `hold-lifted`.
                kind: RecordKind,
                /// The version of this body's form.
                v: u32,
            }
        }
    };
}
