//! Every state of a store has its verdict.

use super::*;
use crate::model::ids::Uid;
use crate::output::Level;

fn chosen(why: Why, state: State) -> Vec<Finding> {
    judge(&Facts::Chosen { url: "sqlite:/srv/pool".into(), why, state })
}

fn with_modes(why: Why, directory: u32, database: u32) -> Vec<Finding> {
    at("/srv/pool", why, directory, database)
}

fn at(place: &str, why: Why, directory: u32, database: u32) -> Vec<Finding> {
    let rights = |mode| Some(Rights { owner: Uid(7), mode });
    let files = Files { directory: rights(directory), database: rights(database) };
    let open = Open {
        pool: Some((Provider::Nvidia, 8)),
        users: Ok(3),
        owner: Some("root".into()),
        files: Some((place.into(), files)),
        caller: Caller::MayChangeIt,
    };
    chosen(why, State::Open(open))
}

fn levels(found: &[Finding]) -> Vec<Level> {
    found.iter().map(|one| one.level).collect()
}

fn hosts_file() -> Why {
    Why::Named(Origin::File { path: HOST_FILE.into(), line: 1 })
}

#[test]
fn which_and_why_and_how_come_first() {
    let found = with_modes(Why::Named(Origin::Environment("CANHAZGPU_STORE".into())), 0o777, 0o666);
    let told: Vec<_> = found.iter().map(|one| one.message.as_str()).collect();
    let expected = [
        "sqlite:/srv/pool, named by CANHAZGPU_STORE",
        "it answers, with a pool of 8 GPUs; 3 accounts used it in the last 30 days; it belongs to root, mode 0777",
    ];
    assert_eq!(told, expected);
    assert_eq!(levels(&found), [Level::Ok, Level::Ok]);
}

#[test]
fn a_shut_store_is_a_problem_where_it_is_everybodys_and_a_warning_where_it_is_ones_own() {
    let table = [
        (Why::Machine, 0o755, 0o644, Some(Level::Problem)),
        (hosts_file(), 0o755, 0o644, Some(Level::Problem)),
        (Why::Named(Origin::Flag), 0o700, 0o600, Some(Level::Warning)),
        (Why::Machine, 0o2770, 0o660, None),
        (Why::Machine, 0o770, 0o660, Some(Level::Problem)),
        (Why::Machine, 0o777, 0o644, Some(Level::Problem)),
        (Why::Machine, 0o777, 0o666, None),
    ];
    for (why, directory, database, expected) in table {
        let found = with_modes(why, directory, database);
        assert_eq!(found.get(2).map(|one| one.level), expected, "{directory:o} {database:o}: {found:?}");
    }
}

#[test]
fn the_mending_is_the_very_command() {
    let mend = |directory, database| {
        with_modes(Why::Machine, directory, database).pop().and_then(|one| one.mend?.command)
    };
    assert_eq!(mend(0o755, 0o644).as_deref(), Some("chmod 0777 /srv/pool"));
    assert_eq!(mend(0o777, 0o644).as_deref(), Some("chmod 0666 /srv/pool/pool.db"));
    assert_eq!(mend(0o2770, 0o640).as_deref(), Some("chmod 0660 /srv/pool/pool.db"));
}

#[test]
fn what_is_not_there_yet_is_well_unless_it_cannot_be_made() {
    let absent = |obstacle: Option<&str>| {
        let obstacle = obstacle.map(|why| ("/srv/pool".into(), why.to_owned()));
        levels(&chosen(Why::Machine, State::Absent { obstacle }))
    };
    assert_eq!(absent(None), [Level::Ok, Level::Ok]);
    assert_eq!(absent(Some("/srv: Permission denied")), [Level::Ok, Level::Problem]);
}

#[test]
fn a_store_that_does_not_answer_is_a_problem_with_its_own_hint() {
    let state = State::Failed { message: "cannot reach it".into(), hint: Some("start it".into()) };
    let found = chosen(Why::Named(Origin::Flag), state);
    assert_eq!(found[1], Finding::problem(Area::Store, "cannot reach it", Some("start it")));
    let none = judge(&Facts::None { why: "this is a container".into(), hint: None });
    assert_eq!(levels(&none), [Level::Problem]);
}

#[test]
fn a_command_that_mends_is_typed_as_it_stands_whatever_the_directory_is_called() {
    let commands = [(0o700, 0o600), (0o777, 0o644)].map(|(directory, database)| {
        let found = at("/srv/our pool", Why::Machine, directory, database).swap_remove(2);
        found.mend.and_then(|mend| mend.command)
    });
    let expected = ["chmod 0777 '/srv/our pool'", "chmod 0666 '/srv/our pool/pool.db'"];
    assert_eq!(commands, expected.map(|command| Some(command.to_owned())));
}
