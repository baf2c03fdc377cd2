//! The corpus, replayed and changed: what cargo fuzz does for minutes, for a moment and without its compiler.

use std::fs;
use std::path::Path;

use super::TARGETS;

/// Changed inputs for each target, beside its corpus as it is.
const CHANGED: u32 = 400;

/// Numbers that repeat (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap_or(0)
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A byte changed, a piece cut out, doubled, or taken from another input: a few times over.
fn changed(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(4) {
        let other = &corpus[dice.below(corpus.len())];
        let (from, length) = (dice.below(bytes.len() + 1), dice.below(12));
        let to = (from + length).min(bytes.len());
        match dice.below(5) {
            0 if from < bytes.len() => bytes[from] = dice.below(256).to_le_bytes()[0],
            1 => drop(bytes.drain(from..to)),
            2 => bytes.splice(from..from, bytes[from..to].to_vec()).for_each(drop),
            3 => bytes.splice(from..to, *b"-9223372036854775809").for_each(drop),
            _ => {
                let start = dice.below(other.len() + 1);
                let end = (start + length).min(other.len());
                bytes.splice(from..to, other[start..end].to_vec()).for_each(drop);
            }
        }
    }
    bytes
}

#[test]
fn no_input_of_the_corpus_and_nothing_like_it_makes_a_reader_panic() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        corpus.iter().for_each(|input| target(input));
        let mut dice = Dice(7);
        for _ in 0..CHANGED {
            let input = changed(&mut dice, &corpus);
            let caught = std::panic::catch_unwind(|| target(&input));
            assert!(caught.is_ok(), "{name}: {:?}", String::from_utf8_lossy(&input));
        }
    }
}

#[test]
fn every_target_can_be_run_by_cargo_fuzz() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let file = fs::read_to_string(targets.join(format!("{name}.rs"))).unwrap();
        assert!(file.contains(&format!("run(\"{name}\", ")), "{name}");
        assert!(text.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
