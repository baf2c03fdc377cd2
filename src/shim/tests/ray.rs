//! Ray: whether what is started joins a cluster, whose workers run elsewhere.

use super::{Texts, table};

const BY_RAY: [&str; 3] = [
    "vllm serve m -tp 2 --distributed-executor-backend ray",
    "vllm serve m -tp 2 --data-parallel-backend=ray",
    "sglang serve m --tp 2 --use-ray",
];

#[test]
fn what_a_cluster_would_run_on_its_own_gpus_is_not_counted() {
    let started: [(Texts, Texts); 3] = [
        (&[("RAY_ADDRESS", "head:6379")], &[]),
        (&[], &[("/tmp/ray/ray_current_cluster", "10.0.0.1:6379")]),
        (
            &[("RAY_TMPDIR", "/scratch"), ("TMPDIR", "/t")],
            &[("/scratch/ray/ray_current_cluster", "head:6379")],
        ),
    ];
    for (variables, files) in started {
        table(variables, files, &BY_RAY.map(|line| (line, "?")));
        table(variables, files, &[("vllm serve m -tp 2", "2"), ("sglang serve m --tp 2", "2")]);
    }
}

#[test]
fn without_a_cluster_ray_starts_one_below_the_program() {
    let none: [(Texts, Texts); 2] = [
        (&[], &[]),
        (&[("RAY_ADDRESS", "local"), ("TMPDIR", "/t")], &[("/tmp/ray/ray_current_cluster", "of another")]),
    ];
    for (variables, files) in none {
        table(variables, files, &BY_RAY.map(|line| (line, "2")));
    }
}
