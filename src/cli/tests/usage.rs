//! What is said of a mistake: what is wrong, and the way out.

use super::wrong;

#[test]
fn a_value_without_its_option_is_recognised() {
    for (line, message, hint) in [
        (&["release", "1"][..], "chg release takes options only, not '1'", "did you mean chg release -G 1?"),
        (&["extend", "2h"], "chg extend takes options only, not '2h'", "did you mean chg extend -d 2h?"),
        (&["reserve", "2"], "chg reserve takes options only, not '2'", "did you mean chg reserve -g 2?"),
        (&["report", "7"], "chg report takes options only, not '7'", "did you mean chg report -d 7?"),
        (&["queue", "x"], "chg queue takes options only, not 'x'", "'chg queue --help' shows what there is"),
        (&["status", "--jsno"], "chg status has no option '--jsno'", "did you mean --json?"),
        (&["man", "--foo"], "chg man has no option '--foo'", "'chg man --help' shows what there is"),
        (
            &["--orphans", "kil", "--", "x"],
            "--orphans: 'kil' is none of auto, kill, wait, leave",
            "did you mean kill?",
        ),
        (&["completions", "ksh"], "<SHELL>: 'ksh' is none of bash, zsh, fish", "did you mean zsh?"),
        (
            &["completions"],
            "chg completions: <SHELL> is missing",
            "'chg completions --help' shows what there is",
        ),
        (
            &["reserve", "--until-exit"],
            "chg reserve: --force is missing",
            "'chg reserve --help' shows what there is",
        ),
        (&["reserve", "-g"], "--gpus needs a value", "'chg reserve --help' shows what there is"),
        (
            &["reserve", "-s", "-j"],
            "--short does not go together with --json",
            "'chg reserve --help' shows what there is",
        ),
        (&["help", "stats"], "there is no verb 'stats'", "'chg --help' shows what there is"),
        (
            &["shim"],
            "say what to do with shims: install, remove, list or env",
            "'chg shim --help' shows more",
        ),
    ] {
        let error = wrong(line);
        assert_eq!((error.to_string().as_str(), error.hint()), (message, Some(hint)), "{line:?}");
    }
}

#[test]
fn an_error_has_two_lines_at_most() {
    for line in [
        &["--gpuz", "2", "--", "x"][..],
        &["status", "--jsno"],
        &["reserve", "-g"],
        &["-g", "--", "x"],
        &["completions", "tcsh"],
        &["reserve", "--short", "--json"],
        &["--nonblock", "--wait", "1m", "--", "x"],
        &["--json", "status"],
    ] {
        let error = wrong(line);
        assert!(!error.to_string().contains('\n') && !error.to_string().is_empty(), "{line:?}: {error}");
        assert!(error.hint().is_some_and(|hint| !hint.contains('\n')), "{line:?}: {error}");
    }
}

#[test]
fn an_unknown_option_suggests_the_nearest() {
    let error = wrong(&["--gpuz", "2", "--", "x"]);
    assert!(error.to_string().contains("--gpuz"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--gpus")), "{:?}", error.hint());
    let error = wrong(&["--gpuz", "2"]);
    assert!(error.hint().is_some_and(|hint| hint.contains("--gpus")), "{:?}", error.hint());
}
