//! The account that the document makes in Redis can do all that `chg` does, and nothing of what it may do is left over.

use crate::support::host::{Host, Store};

const DOCUMENT: &str = include_str!("../../../docs/administration.md");

/// The words behind `ACL SETUSER canhazgpu`, quotes taken off.
fn rights() -> Vec<&'static str> {
    let line = DOCUMENT.lines().find_map(|line| line.strip_prefix("$ redis-cli ACL SETUSER canhazgpu "));
    line.expect("the line").split(' ').map(|word| word.trim_matches('\'')).collect()
}

#[test]
fn the_documented_account_can_do_everything_and_no_more() {
    let host = Host::on(Store::Redis, 4);
    let server = host.redis.as_ref().unwrap();
    let rights = rights();
    let made = server.ask(&[&["ACL", "SETUSER", "canhazgpu"], &rights[..]].concat());
    assert_eq!(made, "OK");
    server.ask(&["CONFIG", "RESETSTAT"]);
    server.ask(&["ACL", "LOG", "RESET"]);
    let url =
        format!("redis+unix://{}?db=1&user=canhazgpu&pass=choose-a-password", server.socket().display());
    let me = host.me().with_store(&url);

    me.does(&["reserve", "-g", "2", "-d", "4h", "-n", "afternoon"]);
    me.does(&["extend", "-d", "2h"]);
    let held = me.holds(&["-g", "2", "-t", "1h"]);
    let waiting = me.waits(&["-g", "2", "--", "true"]);
    for words in [&["status"][..], &["queue"], &["report", "--days", "7"], &["doctor"]] {
        me.does(words);
    }
    assert_eq!(me.runs(&["--nonblock", "-g", "4", "--", "true"]).code, Some(75));
    me.does(&["release"]);
    assert_eq!(waiting.finish().code, Some(0));
    held.stops();
    me.does(&["--", "true"]);
    server.ask(&["-n", "1", "SET", "canhazgpu:gpu:3", "nonsense"]);
    me.does(&["admin", "--reset", "gpu:3"]);
    me.does(&["admin", "--gpus", "3", "--force"]);

    assert_eq!(server.ask(&["ACL", "LOG"]), "", "something was not allowed");
    let used = server.ask(&["INFO", "commandstats"]);
    let granted = rights.iter().filter_map(|word| word.strip_prefix('+'));
    let idle: Vec<_> = granted.filter(|name| !used.contains(&format!("cmdstat_{name}:"))).collect();
    assert!(idle.is_empty(), "allowed and never used: {idle:?}\n{used}");
}
