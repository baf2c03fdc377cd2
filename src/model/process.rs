//! What is known of a process that uses a GPU. Pure; gathered in attribution.

use super::ids::{LeaseId, Pid, Timestamp, Uid};

/// The label that names the reservation of a container.
pub(crate) const RESERVATION_LABEL: &str = "canhazgpu.reservation";

/// Digits of a container's id, as the engines abbreviate it.
const SHORT_ID: usize = 12;

/// One process as /proc shows it. What could not be read is `None`, never a guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) uid: Option<Uid>,
    /// The account name of `uid`, where it has one.
    pub(crate) account: Option<String>,
    /// Who logged in, before any su or sudo: loginuid, else the user of the enclosing systemd slice or batch job.
    pub(crate) login_uid: Option<Uid>,
    pub(crate) login: Option<String>,
    /// The kernel's name for it (comm), decoded loosely; chosen by the process itself.
    pub(crate) name: String,
    /// Its command line, decoded loosely; chosen by the process itself.
    pub(crate) command: Vec<String>,
    pub(crate) started: Option<Timestamp>,
    /// Start time in clock ticks since boot: with the pid it names the process.
    pub(crate) start: Option<u64>,
    /// Its parent, the parent's parent and so on, nearest first, as far as they can be seen.
    pub(crate) ancestors: Vec<Pid>,
    pub(crate) session: Option<Pid>,
    pub(crate) group: Option<Pid>,
    pub(crate) origin: Origin,
    /// What the person behind it works through, by the names of its ancestors.
    pub(crate) through: Option<Through>,
    /// The model it serves or trains, read from command lines.
    pub(crate) model: Option<String>,
    /// The reservation that the label of its container names.
    pub(crate) reservation: Option<LeaseId>,
}

impl Process {
    /// A process of which nothing but its number is known.
    pub(crate) fn unknown(pid: Pid) -> Self {
        Self {
            pid,
            uid: None,
            account: None,
            login_uid: None,
            login: None,
            name: String::new(),
            command: Vec::new(),
            started: None,
            start: None,
            ancestors: Vec::new(),
            session: None,
            group: None,
            origin: Origin::Unknown,
            through: None,
            model: None,
            reservation: None,
        }
    }

    /// Whose it is, as far as that can be told: an account, `uid 23001`, `alice (root)` under sudo, `container
    /// 1a2b3c4d5e6f` or by its name.
    pub(crate) fn owner(&self) -> Option<String> {
        self.owner_as(str::to_owned)
    }

    /// As [`Self::owner`], with `fit` for the texts of somebody's choosing.
    pub(crate) fn owner_as(&self, fit: fn(&str) -> String) -> Option<String> {
        match &self.origin {
            Origin::Container { host_uid: Some(uid), .. } => Some(self.account_of(*uid, fit)),
            // Root in a container says nothing about the person; the container at least can be found.
            Origin::Container { id, name, .. } if self.is_nobody_in_particular() => {
                Some(format!("container {}", fit(name.as_deref().unwrap_or(short_id(id)))))
            }
            _ => self.uid.map(|uid| self.with_login(uid, fit)),
        }
    }

    /// The account that answers for it, where that is known: behind root who logged in, of root in a container nobody.
    pub(crate) fn person(&self) -> Option<Uid> {
        match &self.origin {
            Origin::Container { host_uid: Some(uid), .. } => Some(*uid),
            // The login behind a container of podman's is its user's; others hang below a daemon.
            Origin::Container { engine, host_uid: None, .. } if self.is_nobody_in_particular() => {
                self.login_uid.filter(|_| engine == "podman")
            }
            _ if self.is_nobody_in_particular() => self.login_uid.or(self.uid),
            _ => self.uid,
        }
    }

    fn is_nobody_in_particular(&self) -> bool {
        self.uid.is_none_or(|uid| uid == Uid::ROOT || uid == Uid::OVERFLOW)
    }

    /// sudo: the login tells who answers for it.
    fn with_login(&self, uid: Uid, fit: fn(&str) -> String) -> String {
        let login = self.other_login().filter(|_| uid == Uid::ROOT);
        let account = self.account_of(uid, fit);
        login.map_or(account.clone(), |login| format!("{} ({account})", self.account_of(login, fit)))
    }

    /// Who logged in, where it is another account than the process's.
    pub(crate) fn other_login(&self) -> Option<Uid> {
        self.login_uid.filter(|login| self.uid != Some(*login))
    }

    /// One of the accounts that belong to the process, as shown.
    pub(crate) fn account_of(&self, uid: Uid, fit: fn(&str) -> String) -> String {
        let known = [(self.uid, &self.account), (self.login_uid, &self.login)];
        let name =
            known.into_iter().find(|(known, _)| *known == Some(uid)).and_then(|(_, name)| name.as_ref());
        name.map_or_else(|| format!("uid {uid}"), |name| fit(name))
    }
}

/// A container's id as its engine abbreviates it. LXC and systemd-nspawn have names alone, which stay whole.
pub(crate) fn short_id(id: &str) -> &str {
    let is_number = id.len() > 2 * SHORT_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number { &id[..SHORT_ID] } else { id }
}

/// Where a process came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing told.
    Unknown,
    /// A container; `name` where its engine told, `host_uid` the account it runs for if rootless.
    Container { engine: String, id: String, name: Option<String>, host_uid: Option<Uid> },
    /// A job of Slurm's.
    Job { id: String },
    /// A systemd service.
    Service { unit: String },
    /// A login session of a user.
    Session { uid: Uid, id: String },
}

/// A program that keeps sessions of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    Ssh,
    Mosh,
    Tmux,
    Screen,
}

impl Through {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Mosh => "mosh",
            Self::Tmux => "tmux",
            Self::Screen => "screen",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(host_uid: Option<u32>, name: Option<&str>) -> Origin {
        Origin::Container {
            engine: "docker".into(),
            id: "1a2b3c4d5e6f".repeat(5),
            name: name.map(str::to_owned),
            host_uid: host_uid.map(Uid),
        }
    }

    fn process(
        uid: Option<u32>,
        account: Option<&str>,
        login: Option<(u32, &str)>,
        origin: Origin,
    ) -> Process {
        Process {
            uid: uid.map(Uid),
            account: account.map(str::to_owned),
            login_uid: login.map(|(uid, _)| Uid(uid)),
            login: login.map(|(_, name)| name.to_owned()),
            origin,
            ..Process::unknown(Pid(1))
        }
    }

    #[test]
    fn an_owner_is_shown_as_far_as_it_is_known() {
        let shown =
            |uid, account, login, origin| process(uid, account, login, origin).owner().unwrap_or_default();
        let alice = Some((1001, "alice"));
        assert_eq!(shown(Some(1001), Some("alice"), None, Origin::Unknown), "alice");
        assert_eq!(shown(Some(23001), None, None, Origin::Unknown), "uid 23001");
        assert_eq!(shown(Some(0), Some("root"), None, Origin::Unknown), "root");
        assert_eq!(shown(Some(0), Some("root"), alice, Origin::Unknown), "alice (root)");
        let nameless =
            Process { login: None, ..process(Some(0), Some("root"), Some((23001, "")), Origin::Unknown) };
        assert_eq!(nameless.owner().as_deref(), Some("uid 23001 (root)"));
        assert_eq!(shown(Some(0), Some("root"), Some((0, "root")), Origin::Unknown), "root");
        assert_eq!(shown(Some(1002), Some("bob"), alice, Origin::Unknown), "bob");
        assert_eq!(shown(Some(0), Some("root"), None, container(None, None)), "container 1a2b3c4d5e6f");
        assert_eq!(shown(Some(0), Some("root"), None, container(None, Some("trainer"))), "container trainer");
        assert_eq!(shown(None, None, None, container(None, Some("trainer"))), "container trainer");
        assert_eq!(shown(Some(1002), Some("bob"), None, container(None, Some("trainer"))), "bob");
        assert_eq!(shown(Some(101_000), None, alice, container(Some(1001), None)), "alice");
        assert_eq!(shown(Some(101_000), None, None, container(Some(23001), None)), "uid 23001");
        assert_eq!(shown(None, None, None, Origin::Unknown), "", "hidden");
        let box_of =
            |id: &str| Origin::Container { engine: "lxc".into(), id: id.into(), name: None, host_uid: None };
        assert_eq!(shown(Some(0), None, None, box_of("students_trainer")), "container students_trainer");
    }

    #[test]
    fn the_person_behind_root_is_who_logged_in_and_behind_a_container_of_roots_nobody() {
        let person = |uid, login, origin| process(uid, None, login, origin).person().map(|uid: Uid| uid.0);
        let podman = || Origin::Container {
            engine: "podman".into(),
            id: "1a2b3c4d5e6f".into(),
            name: None,
            host_uid: None,
        };
        let alice = Some((1001, "alice"));
        for (uid, login, origin, expected) in [
            (Some(1002), None, Origin::Unknown, Some(1002)),
            (Some(1002), alice, Origin::Unknown, Some(1002)),
            (Some(0), alice, Origin::Unknown, Some(1001)),
            (Some(0), None, Origin::Unknown, Some(0)),
            (None, None, Origin::Unknown, None),
            (Some(0), None, container(None, Some("web")), None),
            (Some(0), alice, container(None, Some("web")), None),
            (Some(0), alice, podman(), Some(1001)),
            (Some(0), None, podman(), None),
            (Some(1002), None, container(None, None), Some(1002)),
            (Some(101_000), alice, container(Some(1001), None), Some(1001)),
        ] {
            assert_eq!(person(uid, login, origin.clone()), expected, "{uid:?} {login:?} {origin:?}");
        }
    }
}
