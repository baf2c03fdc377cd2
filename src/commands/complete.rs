//! `chg completions`: the functions of a shell, and what those ask when somebody presses Tab. Quick and silent: a
//! pool that does not answer at once offers nothing, and none is ever made or changed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::open::{host, store_options};
use crate::cli::complete::{Live, Wanted, Word, question};
use crate::cli::{Globals, Shell};
use crate::config::{Config, Sources};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::gpu_list;
use crate::model::ids::{GpuIndex, Uid};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::record::Record;
use crate::model::reservation::{Kind, Reservation};
use crate::output::{self, Out};
use crate::shim;
use crate::store::{self, Missing, StoreUrl};

/// Longer nobody waits for a key.
const PATIENCE: Duration = Duration::from_millis(300);

pub(super) fn script(shell: Shell, out: &Out) -> Result<Exit, Error> {
    let text = match shell {
        Shell::Bash => include_str!("../../completions/chg.bash"),
        Shell::Zsh => include_str!("../../completions/_chg"),
        Shell::Fish => include_str!("../../completions/chg.fish"),
    };
    out.print_text(text)?;
    Ok(Exit::Done)
}

/// What may stand at the end of `words`: a line that says what kind of thing, and a line for each word.
pub(super) fn answer(words: &[OsString], out: &Out) -> Exit {
    let question = question(words);
    let text = match question.wanted {
        Wanted::Words(words) => listed(&words),
        Wanted::Files => "files\n".to_owned(),
        Wanted::Directories => "directories\n".to_owned(),
        Wanted::Groups => "groups\n".to_owned(),
        Wanted::Command(first) => format!("command {first}\n"),
        Wanted::Live { live: Live::Shims, .. } => {
            listed(&shim::names().map(|name| Word::new(name, "")).collect::<Vec<_>>())
        }
        Wanted::Live { live, before } => {
            let pool = look_at_pool(question.globals).unwrap_or_default();
            listed(&words_of(live, &pool, Uid(nix::unistd::getuid().as_raw()), &before))
        }
    };
    // A shell that went away wants no answer.
    let _ = out.print_text(&text);
    Exit::Done
}

fn listed(words: &[Word]) -> String {
    let line = |word: &Word| format!("{}\t{}\n", output::escape(&word.text), output::clip(&word.about, 60));
    std::iter::once("words\n".to_owned()).chain(words.iter().map(line)).collect()
}

/// The pool, if it answers in time. The thread that asks ends with the process.
fn look_at_pool(globals: Globals) -> Option<Pool> {
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || {
        // Too late is as good as never.
        let _ = sender.send(pool(&globals).ok());
    });
    answer.recv_timeout(PATIENCE).ok().flatten()
}

fn pool(globals: &Globals) -> Result<Pool, Error> {
    let config = Config::load(&Sources::of_process(globals.config.as_deref()), globals)?;
    let named = config.store().map(|set| StoreUrl::parse(&set.value)).transpose()?;
    let chosen = store::choose(named, &host())?;
    let options = store::Options {
        missing: Missing::Fail,
        connect_timeout: PATIENCE,
        answer_timeout: PATIENCE,
        patience: PATIENCE,
        ..store_options(&config)
    };
    Ok(store::open(&chosen.url, &options)?.snapshot()?.pool)
}

/// What `pool` has of the kind that is asked for. `before` is what stands in front of it in the same word.
fn words_of(live: Live, pool: &Pool, me: Uid, before: &str) -> Vec<Word> {
    let own = || pool.reservations.values().filter(|held| held.holder.uid == Some(me));
    let words = match live {
        Live::Gpus => {
            pool.slots.iter().map(|(gpu, slot)| Word::new(gpu.to_string(), state(slot, pool))).collect()
        }
        Live::OwnGpus => own().flat_map(of_each_gpu).collect(),
        Live::OwnManualGpus => own().filter(|held| held.kind == Kind::Manual).flat_map(of_each_gpu).collect(),
        Live::Counts => (1..=pool.slots.len()).map(|count| Word::new(count.to_string(), "")).collect(),
        Live::Reservations => pool.reservations.values().map(of_reservation).collect(),
        Live::Damaged => damaged(pool),
        Live::Labels => labels(own()),
        Live::Shims => Vec::new(),
    };
    in_list(words, before)
}

/// Leaves out what the list in front of the cursor names already.
fn in_list(mut words: Vec<Word>, before: &str) -> Vec<Word> {
    let list = before.rsplit(['=', 'G']).next().unwrap_or_default();
    let named = gpu_list::parse(list.trim_end_matches(',')).unwrap_or_default();
    words.retain(|word| !named.iter().any(|gpu| gpu.to_string() == word.text));
    words.sort_by(|one, other| by_number(one).cmp(&by_number(other)));
    for word in &mut words {
        word.text.insert_str(0, before);
    }
    words
}

fn by_number(word: &Word) -> (Option<u32>, &str) {
    (word.text.parse().ok(), &word.text)
}

fn state(slot: &Slot, pool: &Pool) -> String {
    match &slot.state {
        SlotState::Free { .. } => "not reserved".to_owned(),
        SlotState::Held(id) => pool.reservations.get(id).map(held).unwrap_or_default(),
        SlotState::Damaged { why } => why.clone(),
    }
}

fn held(reservation: &Reservation) -> String {
    format!("reserved by {} ({})", output::holder(&reservation.holder), what_for(reservation))
}

fn what_for(reservation: &Reservation) -> String {
    let kind = reservation.kind.as_str();
    match (&reservation.note, reservation.command.is_empty()) {
        (Some(note), _) => format!("{kind}, {note}"),
        (None, false) => format!("{kind}: {}", reservation.command.join(" ")),
        (None, true) => kind.to_owned(),
    }
}

fn of_each_gpu(reservation: &Reservation) -> Vec<Word> {
    let about = what_for(reservation);
    reservation.gpus.iter().map(|gpu| Word::new(gpu.to_string(), &*about)).collect()
}

fn of_reservation(reservation: &Reservation) -> Word {
    let gpus = gpu_list::spaced(&reservation.gpus);
    Word::new(reservation.id.as_str(), format!("GPU {gpus} {}", held(reservation)))
}

fn damaged(pool: &Pool) -> Vec<Word> {
    let of_gpu = |(gpu, slot): (&GpuIndex, &Slot)| match &slot.state {
        SlotState::Damaged { why } => Some(Word::new(format!("gpu:{gpu}"), why)),
        SlotState::Free { .. } | SlotState::Held(_) => None,
    };
    let of_pool =
        pool.damaged.iter().map(|(record, why)| Word::new(Record::OfPool(*record).to_string(), why));
    of_pool.chain(pool.slots.iter().filter_map(of_gpu)).collect()
}

fn labels<'a>(own: impl Iterator<Item = &'a Reservation>) -> Vec<Word> {
    let labels: BTreeSet<_> = own.filter_map(|held| held.holder.label.clone()).collect();
    labels.into_iter().map(|label| Word::new(label, "")).collect()
}
