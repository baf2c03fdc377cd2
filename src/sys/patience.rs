//! Questions to the system that may never be answered, in a thread that is left behind then.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::signal::{Mask, SignalSet, current_mask, mask};

/// Enough for what the C library loads to find an account.
const STACK: usize = 1024 * 1024;
/// After so many questions without an answer no more are put.
const MOST_STUCK: usize = 2;

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Not in time. A thread hangs with it, and ends with the process: it is not to be put again and again.
    Hung,
    /// Others hung before, or the kernel gave no thread.
    NotAsked,
}

/// What `ask` says to each question, one after the other, where it does not take longer than `at_most` for one.
pub(crate) fn answers_within<Q, A>(
    at_most: Duration,
    questions: Vec<Q>,
    ask: fn(&Q) -> A,
) -> Vec<Result<A, NoAnswer>>
where
    Q: Send + Sync + 'static,
    A: Send + 'static,
{
    let questions = Arc::new(questions);
    let mut answers = Vec::with_capacity(questions.len());
    let mut stuck = 0;
    while answers.len() < questions.len() && stuck < MOST_STUCK {
        let Some((heard, thread)) = start(Arc::clone(&questions), answers.len(), ask) else { break };
        while answers.len() < questions.len()
            && let Ok(answer) = heard.recv_timeout(at_most)
        {
            answers.push(Ok(answer));
        }
        if answers.len() == questions.len() {
            // Gone before anything is forked.
            let _ = thread.join();
        } else {
            answers.push(Err(NoAnswer::Hung));
            stuck += 1;
        }
    }
    answers.resize_with(questions.len(), || Err(NoAnswer::NotAsked));
    answers
}

fn start<Q, A>(
    questions: Arc<Vec<Q>>,
    first: usize,
    ask: fn(&Q) -> A,
) -> Option<(Receiver<A>, JoinHandle<()>)>
where
    Q: Send + Sync + 'static,
    A: Send + 'static,
{
    let (tell, heard) = mpsc::channel();
    let put = move || {
        for question in &questions[first..] {
            // Too late is as good as never.
            if tell.send(ask(question)).is_err() {
                return;
            }
        }
    };
    // A thread has the mask of whoever starts it: one that stays must take no signal from those that know what to do.
    let before = current_mask();
    mask(Mask::Block, SignalSet::ALL - SignalSet::FAULTS - SignalSet::LIBRARY);
    let thread = thread::Builder::new().name("question".into()).stack_size(STACK).spawn(put);
    mask(Mask::Set, before);
    Some((heard, thread.ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::signal::Signal;
    use super::*;

    const LONG: Duration = Duration::from_secs(100);

    fn half(number: &u32) -> u32 {
        if *number == 13 {
            loop {
                thread::park();
            }
        }
        number / 2
    }

    #[test]
    fn each_question_has_its_answer_but_those_that_hang() {
        assert_eq!(answers_within(LONG, vec![2, 4, 6], half), [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(answers_within(LONG, vec![], half), []);
        // The threads that are left do nobody any harm.
        let (short, hung, not_asked) = (Duration::from_secs(2), Err(NoAnswer::Hung), Err(NoAnswer::NotAsked));
        assert_eq!(answers_within(short, vec![2, 13, 4], half), [Ok(1), hung, Ok(2)]);
        let gives_up = answers_within(short, vec![13, 2, 13, 4, 6], half);
        assert_eq!(gives_up, [hung, Ok(1), hung, not_asked, not_asked], "after two it is not tried any more");
    }

    #[test]
    fn the_thread_takes_no_signals_and_the_asker_takes_them_as_before() {
        let before = current_mask();
        let within = answers_within(LONG, vec![()], |()| current_mask()).remove(0).unwrap();
        for signal in [Signal::INT, Signal::TERM, Signal::CHLD, Signal::WINCH, Signal(40)] {
            assert!(within.contains(signal), "{signal}");
        }
        assert_eq!(current_mask(), before);
    }
}
