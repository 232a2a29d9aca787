//! The system calls that a build tool may not use.
//!
//! A compiler needs too many calls for a list of allowed ones, so this is a list of forbidden ones: everything that reaches the network,
//! other processes, keys, devices or the system as a whole, and everything that could loosen the restrictions themselves. Landlock
//! restricts files.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
};

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// From this number on, a call has the same number on every architecture. Calls that the C library does not name yet are named here.
const PIDFD_SEND_SIGNAL: c_long = 424;
const IO_URING: [c_long; 3] = [425, 426, 427];
const MOUNT_API: [c_long; 8] = [428, 429, 430, 431, 432, 433, 442, 467];
const CLONE3: c_long = 435;
const PIDFD_GETFD: c_long = 438;
const PROCESS_MADVISE: c_long = 440;
const QUOTACTL_FD: c_long = 443;
const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const FILE_SETATTR: c_long = 469;

/// Sockets: there is no network, and no server on this machine, in any address family. `socketpair` is allowed, because it reaches no other
/// process. `io_uring` would open sockets without a call that a filter sees.
const NETWORK: &[c_long] = &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen];
/// Calls that reach other processes of the user, or leave the group that is ended as a whole.
const PROCESSES: &[c_long] = &[
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
];
/// Calls for things that processes share without a file. For example, the passphrase of a vault may be in a key ring.
const SHARED: &[c_long] = &[
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_inotify_add_watch,
    libc::SYS_fanotify_init,
];
/// Calls that affect the system as a whole.
const SYSTEM: &[c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
];
/// Calls that change owners and attributes of files, which Landlock does not check, and truncation, which only newer versions check.
const ATTRIBUTES: &[c_long] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_truncate,
];
/// Calls that change the mode of files, which Landlock does not check either. Tools set it on files that they copy, and fail if they can't.
/// So these calls report success and do nothing: a file keeps the mode with which it was made.
const MODES: &[c_long] = &[libc::SYS_fchmod, libc::SYS_fchmodat, FCHMODAT2];

#[cfg(target_arch = "x86_64")]
mod older {
    //! Calls that only this architecture has.
    use libc::c_long;

    pub(super) const DENIED: &[c_long] = &[
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_iopl,
        libc::SYS_ioperm,
        libc::SYS_modify_ldt,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_futimesat,
    ];
    pub(super) const MODES: &[c_long] = &[libc::SYS_chmod];
    /// The x32 ABI: programs with short pointers use a second set of numbers for the same calls, and some calls have other numbers there.
    pub(super) const SHORT: c_long = 0x4000_0000;
    pub(super) const SHORT_ONLY: &[c_long] = &[521, 524, 527, 528, 536, 537, 538];
}

/// Denies these calls permanently to this thread and everything that it starts.
pub(super) fn deny() -> io::Result<()> {
    let mut denied: Rules =
        [NETWORK, &IO_URING, PROCESSES, SHARED, SYSTEM, &MOUNT_API, ATTRIBUTES].concat().into_iter().map(always).collect();
    let named = [PIDFD_SEND_SIGNAL, PIDFD_GETFD, PROCESS_MADVISE, QUOTACTL_FD, SETXATTRAT, REMOVEXATTRAT, FILE_SETATTR];
    denied.extend(named.map(always));
    denied.extend(conditional().map_err(io::Error::other)?);
    let mut modes: Rules = MODES.iter().copied().map(always).collect();
    #[cfg(target_arch = "x86_64")]
    {
        denied.extend(older::DENIED.iter().copied().map(always));
        modes.extend(older::MODES.iter().copied().map(always));
        for rules in [&mut denied, &mut modes] {
            let short: Rules = rules.iter().map(|(call, rules)| (*call | older::SHORT, rules.clone())).collect();
            rules.extend(short);
        }
        denied.extend(older::SHORT_ONLY.iter().map(|call| always(*call | older::SHORT)));
    }
    // A filter can't see the flags of this call. If it reports that the call does not exist, the C library uses the older call, which can
    // be checked.
    let clone3: Rules = [always(CLONE3)].into();
    for (rules, error) in [(clone3, libc::ENOSYS), (modes, 0), (denied, libc::EPERM)] {
        apply(rules, error)?;
    }
    Ok(())
}

fn always(call: c_long) -> (c_long, Vec<SeccompRule>) {
    (call, Vec::new())
}

/// Calls that are denied with certain arguments only.
fn conditional() -> Result<Rules, BackendError> {
    let when = |argument, op, value| SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Qword, op, value)?]);
    let namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let namespaces = namespaces.iter().map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        when(0, SeccompCmpOp::MaskedEq(flag), flag)
    });
    // A tool may change its own limits, and those of no other process.
    let of_others = || Ok::<_, BackendError>(vec![when(0, SeccompCmpOp::Ne, 0)?]);
    Ok([
        (libc::SYS_clone, namespaces.collect::<Result<_, _>>()?),
        (libc::SYS_prlimit64, of_others()?),
        (libc::SYS_sched_setaffinity, of_others()?),
        (libc::SYS_sched_setscheduler, of_others()?),
        (libc::SYS_sched_setparam, of_others()?),
        (libc::SYS_sched_setattr, of_others()?),
        // A path may lead anywhere. A descriptor belongs to the tool.
        (libc::SYS_utimensat, vec![when(1, SeccompCmpOp::Ne, 0)?]),
    ]
    .into())
}

fn apply(rules: Rules, error: i32) -> io::Result<()> {
    let answer = SeccompAction::Errno(error.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, arch).map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}
