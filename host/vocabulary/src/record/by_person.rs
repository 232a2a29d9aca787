//! The kinds of record for a person's decision: on what may be used, and on a damaged or shortened record.

macro_rules! with_words {
    ($($others:tt)*) => {
        records! {
            $($others)*
            /// A person trusted a configuration.
            ConfigTrusted {
                /// When, milliseconds since 1970.
                at: u64,
                /// Of everything that the configuration may cause.
                authority: Digest,
                /// Who.
                by: Principal,
                /// Of the configuration's bytes.
                config: Digest,
                /// `config-trusted`.
                kind: RecordKind,
                /// Whether it was for one command only: `--trust`.
                once: bool,
                /// Where it lay.
                path: SafeText,
                /// Form of this body.
                v: u32,
            }
            /// A person took back the trust in a configuration.
            ConfigUntrusted {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// Of the configuration's bytes, as they were trusted.
                config: Digest,
                /// `config-untrusted`.
                kind: RecordKind,
                /// Where it lay.
                path: SafeText,
                /// Form of this body.
                v: u32,
            }
            /// A person accepted an agent: what runs under its name, and with what authority.
            AgentAccepted {
                /// Its name in the configuration.
                agent: SafeText,
                /// When, milliseconds since 1970.
                at: u64,
                /// Of everything that was accepted.
                authority: Digest,
                /// Who.
                by: Principal,
                /// `agent-accepted`.
                kind: RecordKind,
                /// Where the configuration lay.
                path: SafeText,
                /// Form of this body.
                v: u32,
            }
            /// A person took back the acceptance of an agent.
            AgentUnaccepted {
                /// Its name in the configuration.
                agent: SafeText,
                /// When, milliseconds since 1970.
                at: u64,
                /// Of everything that had been accepted; absent if this home did not know it.
                authority: Option<Digest>,
                /// Who.
                by: Principal,
                /// `agent-unaccepted`.
                kind: RecordKind,
                /// Where the configuration lay.
                path: SafeText,
                /// Form of this body.
                v: u32,
            }
            /// A person said whether an act happened of which nobody knew. It holds until the act is asked again.
            ActSettled {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// Whether it happened.
                did: bool,
                /// `act-settled`.
                kind: RecordKind,
                /// Which operation of the run.
                op: u64,
                /// Form of this body.
                v: u32,
            }
            /// A person had the vault of the home sealed under another key.
            VaultSealed {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// `vault-sealed`.
                kind: RecordKind,
                /// Where that key comes from.
                under: SealedUnder,
                /// Form of this body.
                v: u32,
            }
            /// A person accepted the record as it is, although it is known to have been longer or different.
            RollbackAccepted {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// `rollback-accepted`.
                kind: RecordKind,
                /// The root over what is there.
                now_root: Digest,
                /// How many records are there.
                now_size: u64,
                /// Form of this body.
                v: u32,
                /// The home in which the record was continued until then, if that was another one: then this one was a copy of it.
                was_home: Option<SafeText>,
                /// The log that the home had, if it was another one than this.
                was_log: Option<SafeText>,
                /// The root that was remembered.
                was_root: Option<Digest>,
                /// How many records were remembered.
                was_size: Option<u64>,
            }
            /// A person had a key of the home replaced by a new one.
            KeyRotated {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// How many records the log has with this one: the new key signs what follows.
                from: u64,
                /// Which key.
                key: RotatedKey,
                /// `key-rotated`.
                kind: RecordKind,
                /// The old key's signature over the new one, in hexadecimal; the home's key signs nothing.
                link: Option<SafeText>,
                /// The new key: a public key, or a name of the home's key from which nobody can make it.
                now: SafeText,
                /// Under what the new key is sealed; nothing where it lies open in the home.
                under: Option<SealedUnder>,
                /// Form of this body.
                v: u32,
                /// The old key.
                was: SafeText,
            }
            /// A person put the home back from a backup. What happened after the backup was made is not known here.
            Restored {
                /// When this was written, milliseconds since 1970: by `restore`; at the first use of the home if the backup had no keys.
                at: u64,
                /// When the backup was begun, milliseconds since 1970.
                backup_at: u64,
                /// Who put it back; without keys, who used it first.
                by: Principal,
                /// `restored`.
                kind: RecordKind,
                /// The root over the records in the backup.
                root: Digest,
                /// How many records were in the backup.
                size: u64,
                /// Form of this body.
                v: u32,
            }
            /// A person lets a run go on that was open in a copy which was put back. What it did after the copy was made may be done again.
            RunReleased {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// `run-released`.
                kind: RecordKind,
                /// The run.
                released: RunId,
                /// Form of this body.
                v: u32,
            }
            /// A person had a damaged part of the record set aside. The record continues from the whole part before it.
            Reanchored {
                /// The folder in the home that the damaged part is kept in.
                aside: SafeText,
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// How much was set aside.
                bytes: u64,
                /// SHA-256 over what was set aside.
                digest: Digest,
                /// `reanchored`.
                kind: RecordKind,
                /// The root over what is whole.
                now_root: Digest,
                /// How many records are whole.
                now_size: u64,
                /// Why, in the person's words.
                reason: SafeText,
                /// Form of this body.
                v: u32,
                /// The root that was remembered.
                was_root: Option<Digest>,
                /// How many records were remembered.
                was_size: Option<u64>,
                /// What was wrong, and where.
                what: SafeText,
            }
            /// The beginning of the record is taken away: into an archive, or for good. What remains begins with segment `until`.
            Pruned {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// How many bytes the segments had that are taken away.
                bytes: u64,
                /// SHA-256 over their files, in the order of their numbers.
                digest: Digest,
                /// The first segment of them.
                first: u64,
                /// When the first of their records was made, milliseconds since 1970.
                from_ms: Option<u64>,
                /// `pruned`.
                kind: RecordKind,
                /// The root over all records before the cut.
                root: Digest,
                /// How many records there were before the cut, from the very first on.
                size: u64,
                /// The folder in which they are archived; absent if they are dropped.
                to: Option<SafeText>,
                /// When the last of their records was made.
                to_ms: Option<u64>,
                /// The first segment that stays.
                until: u64,
                /// Form of this body.
                v: u32,
            }
            /// What ended runs have sealed was made unreadable for good, because it was old.
            PayloadsForgotten {
                /// When, milliseconds since 1970.
                at: u64,
                /// Of runs that were recorded last before this moment.
                before_ms: u64,
                /// Who.
                by: Principal,
                /// `payloads-forgotten`.
                kind: RecordKind,
                /// Of how many runs.
                runs: u64,
                /// Form of this body.
                v: u32,
            }
            /// A run is on legal hold: what it has recorded is neither taken away nor forgotten.
            HoldSet {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// The run.
                held: RunId,
                /// `hold-set`.
                kind: RecordKind,
                /// Why, in the person's words.
                reason: SafeText,
                /// Form of this body.
                v: u32,
            }
            /// A run is no longer on hold.
            HoldLifted {
                /// When, milliseconds since 1970.
                at: u64,
                /// Who.
                by: Principal,
                /// The run.
                held: RunId,
                /// `hold-lifted`.
                kind: RecordKind,
                /// Form of this body.
                v: u32,
            }
        }
    };
}
