//! How options and files of settings may be written: abbreviations, repetitions, YAML's many ways, and what becomes of
//! options that pick GPUs.

use super::super::*;
use super::{rewritten, table};

#[test]
fn abbreviations_count_where_the_program_takes_them() {
    table(
        &[],
        &[],
        &[
            ("vllm serve m --tensor 2", "2"),
            ("vllm serve m --tensor_par=2", "2"),
            ("vllm serve m -t 2", "2"),
            ("vllm serve m --data-parallel-size-l 2 -dp 4", "2"),
            ("vllm serve m -n2 -tp 8", "4"),
            // Of more than one option: the program refuses it.
            ("vllm serve m --data-parallel 2", "1"),
            ("vllm serve m -p 2", "1"),
            // Options of their own.
            ("vllm serve m --data-parallel-start-rank 2", "1"),
            ("vllm serve m -dcp 2 -tp 2", "2"),
            ("torchrun --nproc 2 t.py", "2"),
            ("torchrun --nproc_per=2 t.py", "2"),
            ("torchrun --nn 2 t.py", "1"),
            ("deepspeed --num_g 2 t.py", "2"),
            ("deepspeed --inc localhost:1 t.py", "ids 1"),
            ("deepspeed --num 2 t.py", "all"),
            ("sglang serve m --tensor-parallel 2", "2"),
            ("sglang serve m --dp-s 2", "2"),
            ("accelerate launch --num_process 2 t.py", "all"),
        ],
    );
    assert_eq!(rewritten("deepspeed --num_g 2 --exclu x t.py", &[]), "--num_g 2 --exclu x t.py", "refused");
    assert_eq!(rewritten("deepspeed --num_g 2 t.py --num_g 3", &[]), "t.py --num_g 3");
}

#[test]
fn the_last_of_several_counts_and_nothing_after_two_hyphens() {
    table(
        &[],
        &[],
        &[
            ("vllm serve m -tp 2 --tensor-parallel-size=4 --tensor_parallel_size 3", "3"),
            ("vllm serve -tp 2 -- m -tp 8", "2"),
            ("torchrun --nproc-per-node 4 --nproc_per_node=2 t.py", "2"),
            ("accelerate launch --num-processes 4 --num_processes=2 t.py", "2"),
            ("sglang serve m --tp 4 --tp-size 2", "2"),
        ],
    );
}

#[test]
fn the_last_word_about_a_switch_counts() {
    table(
        &[],
        &[("one.yaml", "data-parallel-external-lb: true\ndata-parallel-size: 4\n")],
        &[
            ("vllm serve m -dp 4 -dpe", "1"),
            ("vllm serve m -dp 4 -dpe --no-data-parallel-external-lb", "4"),
            ("vllm serve m -dp 4 --no-data-parallel-e --data_parallel_external_lb", "1"),
            ("vllm serve m --config one.yaml", "1"),
            ("vllm serve m --config one.yaml --no-data-parallel-external-lb", "4"),
        ],
    );
}

/// What is not found would run without a reservation.
#[test]
fn the_script_is_found_behind_every_way_to_write_an_option() {
    table(
        &[],
        &[],
        &[
            ("torchrun --stand tool --nproc-per-node 8", "1"),
            ("torchrun --nproc-per-node=2 --mod pkg.train --nproc-per-node 8", "2"),
            ("torchrun --nproc-per-node=2 -t3 tool --nproc-per-node 8", "2"),
            ("deepspeed --num_accelerators -1 pkg.train --num_gpus 8", "all"),
            ("deepspeed -ilocalhost:0 ./train --num_gpus 8", "ids 0"),
            ("deepspeed --num_g=1 --mod tool -i x", "1"),
            // A switch that is not known here hides it; the program's own usage error costs no more than the grant.
            ("torchrun --new-switch tool", "1"),
            ("torchrun --nproc-per-node 2", "2"),
            ("accelerate launch --new-switch tool", "all"),
            // Of the interpreter.
            ("python-gpu -i -m deepspeed.launcher.runner tool", "all"),
        ],
    );
}

#[test]
fn a_value_that_looks_like_an_option_is_none() {
    table(
        &[],
        &[],
        &[
            ("vllm serve m --compilation-config '{\"tensor_parallel_size\": 8}' -tp 2", "2"),
            ("vllm serve m --hf-overrides.tensor_parallel_size 8", "1"),
            ("vllm serve m --served-model-name=--tensor-parallel-size -tp 2", "2"),
        ],
    );
}

#[test]
fn yaml_is_read_however_it_is_written() {
    let files = &[
        ("indented.yaml", "  tensor-parallel-size: 2\n  model: m\n"),
        ("quoted.yaml", "\"tensor_parallel_size\": '2'\n"),
        ("comments.yaml", "---\n# two\ntensor-parallel-size: 2 # cards\n...\n"),
        ("twice.yaml", "tensor-parallel-size: 4\ntensor-parallel-size: 2\n"),
        ("null.yaml", "tensor-parallel-size: null\npipeline-parallel-size: ~\ndata-parallel-size:\n"),
        ("nested.yaml", "compilation-config:\n  tensor-parallel-size: 8\nmodel: m\n"),
        ("list.yaml", "lora-modules:\n- name: tensor-parallel-size\ntensor-parallel-size: 2\n"),
        ("crlf.yaml", "model: m\r\ntensor-parallel-size: 2\r\n"),
        ("below.yaml", "tensor-parallel-size:\n  2\n"),
        ("flow.yaml", "{tensor-parallel-size: 2}\n"),
        ("json.yaml", "{\"tensor-parallel-size\": 2}\n"),
        ("alias.yaml", "two: &two 2\ntensor-parallel-size: *two\n"),
        ("ids.yaml", "device-ids: \"2,3\"\n"),
        ("empty.yaml", "\n"),
        ("order.yaml", "tensor_parallel_size: 4\ntensor-parallel-size: 2\n"),
        ("short.yaml", "tensor-par: 2\n"),
    ];
    let needs = [
        ("indented", "2"),
        ("quoted", "2"),
        ("comments", "2"),
        ("twice", "2"),
        ("null", "1"),
        ("nested", "1"),
        ("list", "2"),
        ("crlf", "2"),
        ("json", "2"),
        ("empty", "1"),
        ("order", "2"),
        ("short", "2"),
        // Never a number that was not understood.
        ("below", "?"),
        ("flow", "?"),
        ("alias", "?"),
        ("ids", "?"),
    ];
    for (name, needs) in needs {
        table(&[], files, &[(&format!("vllm serve m --config {name}.yaml"), needs)]);
    }
    // The programs read the file only where the option stands in full and as a word of its own.
    let unread = [
        ("vllm serve m --config=quoted.yaml", "1"),
        ("vllm serve m --conf quoted.yaml", "1"),
        ("sglang serve m --config=quoted.yaml --tp 4", "4"),
    ];
    table(&[], files, &unread);
}

#[test]
fn gpus_that_are_picked_by_number_are_reserved_and_the_option_goes() {
    let lines = [
        ("vllm serve m --device-ids 2,3 -tp 2 --port 1", "serve m -tp 2 --port 1"),
        (
            "python-gpu -m vllm.entrypoints.openai.api_server --device_ids=1",
            "-m vllm.entrypoints.openai.api_server",
        ),
        ("sglang serve m --base-gpu-id 1 --tp 2 --gpu-id-step=2", "serve m --tp 2"),
        ("vllm serve m -tp 2", "serve m -tp 2"),
        ("sglang serve m --base-gpu-id 0", "serve m --base-gpu-id 0"),
    ];
    for (line, kept) in lines {
        assert_eq!(rewritten(line, &[]), kept, "{line}");
    }
    // They count among what the process is shown.
    let shown = &[("CUDA_VISIBLE_DEVICES", "1,3,5")];
    let among = [
        ("vllm serve m --device-ids 0,2", "ids 1,5"),
        ("vllm serve m --device-ids 3", "?"),
        ("sglang serve m --base-gpu-id 1 --tp 2", "ids 3,5"),
        // Those of the file would stay in force.
        ("vllm serve m --config ids.yaml --device-ids 0", "?"),
    ];
    table(shown, &[("ids.yaml", "device-ids: \"2,3\"\n")], &among);
    table(&[("CUDA_VISIBLE_DEVICES", "GPU-8f3c")], &[], &[("vllm serve m --device-ids 0", "?")]);
    table(&[(OVERRIDE, "2")], &[], &[("vllm serve m --device-ids 1", "2")]);
}
