//! How everybody in line stands, for those who look on. Pure.

use crate::model::ids::Timestamp;
use crate::model::pool::Pool;
use crate::model::seen::Seen;
use crate::model::verb::Standing;
use crate::model::waiter::Waiter;

use super::supply::{Ask, Supply, Turn};
use super::{Presence, blockers, occupancies, presence};

/// Everybody in line who lives, the head first, with what keeps each there.
pub(crate) fn standings(pool: &Pool, seen: &Seen<'_>, now: Timestamp) -> Vec<(Waiter, Standing)> {
    let judged = occupancies(pool, seen, now);
    let mut supply = Supply::judged(pool, &judged);
    let mut line: Vec<(Waiter, Standing)> = Vec::new();
    for (place, waiter) in pool.waiters.iter().enumerate() {
        let presence = presence(waiter, place, seen, now);
        if presence == Presence::Dead {
            continue;
        }
        let ask = Ask::of_waiter(waiter);
        let turn = supply.turn(pool, &ask);
        let mut blocked_by = blockers(pool, &judged, &supply, &ask);
        // What the Go program has given it in part is held for it.
        blocked_by.retain(|blocker| !waiter.allocated.contains(&blocker.gpu));
        let standing = Standing {
            position: line.len() + 1,
            enqueued: waiter.enqueued,
            give_up: waiter.give_up,
            available: supply.usable(&ask),
            blocked_by,
            share: turn.clone().over_share(),
            behind: line.last().map(|(ahead, _)| ahead.id.clone()),
        };
        if presence == Presence::Here {
            supply.take(turn.gpus(), &waiter.id);
            if let Turn::Fits(gpus) = turn {
                supply.promise(&waiter.holder, gpus.len());
            }
        }
        line.push((waiter.clone(), standing));
    }
    line
}
