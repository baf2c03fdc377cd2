//! Records of the whole pool that cannot be read: named, kept, gone on without, and thrown away on request.

use crate::support::host::{Host, Store, can_be_others, is_in_charge};

const GARBAGE: [(&str, &str); 3] = [("pool", "{half"), ("gpu_count", "many"), ("provider", "abacus")];

#[test]
fn a_damaged_record_of_the_pool_stops_nobody_and_is_reset_by_its_name() {
    if !is_in_charge() {
        return;
    }
    let host = Host::on(Store::Redis, 2);
    let holder = host.me().holds(&["-G", "1"]);
    let server = host.redis.as_ref().unwrap();
    for (key, garbage) in GARBAGE {
        let full = format!("canhazgpu:{key}");
        let sound = server.ask(&["GET", &full]);
        server.ask(&["SET", &full, garbage]);
        let warning = format!("warning: record {key} of the store is damaged: ");
        let hint = format!("hint: 'chg admin --reset {key}' throws it away\n");
        let shown = host.me().does(&["status"]);
        assert!(shown.stderr.contains(&warning) && shown.stderr.contains(&hint), "{shown}");
        assert_eq!(shown.stderr.matches("warning: ").count(), 1, "{shown}");
        assert_eq!(shown.stdout.lines().count(), 2, "{shown}");
        assert!(
            shown.stdout.contains("GPU 0: AVAILABLE") && shown.stdout.contains("GPU 1: IN USE by"),
            "{shown}"
        );
        host.me().does(&["--nonblock", "--", "true"]);
        assert_eq!(server.ask(&["GET", &full]), garbage, "kept for whoever wants to see it");

        let found = host.me().runs(&["doctor"]);
        assert_eq!(found.code, Some(1), "{found}");
        assert!(found.stdout.contains(&format!("chg admin --reset {key}")), "{found}");
        if can_be_others() {
            let refused = host.user(1).runs(&["admin", "--reset", key]);
            assert!(refused.stderr.contains("this is for root"), "{refused}");
        }
        let done = host.me().does(&["admin", "--reset", key]);
        assert_eq!(done.stdout, format!("Reset the record {key}\n"));
        assert_eq!(host.me().does(&["status"]).stderr, "");
        if key == "pool" {
            host.me().does(&["--nonblock", "--", "true"]);
        } else {
            assert_eq!(server.ask(&["GET", &full]), sound);
        }
    }
    holder.stops();
    host.shows(1, "AVAILABLE");
}

#[test]
fn a_queue_that_is_none_lets_nobody_wait_until_it_is_reset() {
    if !is_in_charge() {
        return;
    }
    let host = Host::on(Store::Redis, 1);
    let holder = host.me().holds(&[]);
    let server = host.redis.as_ref().unwrap();
    server.ask(&["SET", "canhazgpu:queue", "x"]);
    let refused = host.me().runs(&["--", "true"]);
    assert_eq!(refused.code, Some(125), "{refused}");
    assert!(refused.stderr.contains("record queue of the store is damaged: not a sorted set"), "{refused}");
    assert!(refused.stderr.contains("chg admin --reset queue"), "{refused}");
    host.me().does(&["admin", "--reset", "queue"]);
    let waiter = host.me().waits(&["--", "echo", "served"]);
    holder.stops();
    assert_eq!(waiter.finish().stdout, "served\n");
}
