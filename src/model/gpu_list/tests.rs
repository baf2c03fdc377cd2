//! Lists of GPU ids, right and wrong.

use super::*;
use proptest::prelude::*;

fn gpus(ids: impl IntoIterator<Item = u32>) -> Vec<GpuIndex> {
    ids.into_iter().map(GpuIndex).collect()
}

fn why(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn ids_and_ranges_are_read_in_ascending_order() {
    assert_eq!(parse("1,3"), Ok(gpus([1, 3])));
    assert_eq!(parse("3,1"), Ok(gpus([1, 3])));
    assert_eq!(parse("0-3"), Ok(gpus(0..=3)));
    assert_eq!(parse("7, 0 - 2"), Ok(gpus([0, 1, 2, 7])));
    assert_eq!(parse("5-5"), Ok(gpus([5])));
    assert_eq!(parse("1023"), Ok(gpus([1023])));
}

#[test]
fn a_bad_list_is_refused_with_its_reason() {
    assert!(why("").contains("it is empty"));
    assert!(why(" ").contains("it is empty"));
    assert!(why("1,").contains("an id is missing"));
    assert!(why(",").contains("an id is missing"));
    assert!(why("-1").contains("'-1' is negative"));
    assert!(why("1,-2").contains("'-2' is negative"));
    assert!(why("1,1").contains("1 is named twice"));
    assert!(why("0-3,2").contains("2 is named twice"));
    assert!(why("3-1").contains("'3-1' runs backwards"));
    assert!(why("a").contains("'a' is not a number"));
    assert!(why("1-").contains("'' is not a number"));
    assert!(why("+1").contains("'+1' is not a number"));
    assert!(why("1.5").contains("'1.5' is not a number"));
    assert!(why("1024").contains("'1024' is beyond any GPU"));
    assert!(why("0-4294967295").contains("'4294967295' is beyond any GPU"));
    assert!(why("99999999999999999999").contains("beyond any GPU"));
    assert!(why("x").contains("write it like 1,3 or 0-3"));
}

#[test]
fn every_form_for_reading_is_exact() {
    let two = gpus([1, 3]);
    assert_eq!(compact(&two), "1,3");
    assert_eq!(spaced(&two), "1, 3");
    assert_eq!(bracketed(&two), "[1, 3]");
    assert_eq!(bracketed(&[]), "[]");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_fall_over(text in "[0-9,\\- a]{0,30}") {
        if let Ok(list) = parse(&text) {
            prop_assert!(!list.is_empty());
            prop_assert!(list.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn what_is_printed_is_read_back(ids in proptest::collection::btree_set(0..=LARGEST, 1..20)) {
        let list = gpus(ids);
        prop_assert_eq!(parse(&compact(&list)), Ok(list.clone()));
        prop_assert_eq!(parse(&spaced(&list)), Ok(list));
    }
}
