//! Command lines as the programs' own pages write them, and as they are seen on hosts.

use super::*;

/// Words with blanks in them are put between §.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('§').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

fn found(line: &str) -> Option<String> {
    model_of([words(line).as_slice()])
}

fn all_tell(lines: &[(&str, &str)]) {
    for (line, model) in lines {
        assert_eq!(found(line).as_deref(), Some(*model), "{line}");
    }
}

fn none_tells(lines: &[&str]) {
    for line in lines {
        assert_eq!(found(line), None, "{line}");
    }
}

#[test]
fn servers_are_given_their_model_without_an_option() {
    all_tell(&[
        ("vllm serve meta-llama/Llama-3-8B --port 8000", "meta-llama/Llama-3-8B"),
        ("/opt/env/bin/python3 /opt/env/bin/vllm serve Qwen/Qwen3-8B -tp 2", "Qwen/Qwen3-8B"),
        ("python -m vllm.entrypoints.cli.main serve Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("sglang serve Qwen/Qwen3-0.6B --port 30000", "Qwen/Qwen3-0.6B"),
        ("sglang serve --model-type llm Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
        ("text-generation-server serve bigscience/bloom --sharded", "bigscience/bloom"),
        ("trtllm-serve TinyLlama/TinyLlama-1.1B-Chat-v1.0 --tp_size 2", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"),
        ("trtllm-serve serve gpt2", "gpt2"),
        ("trtllm-serve embeddings BAAI/bge-m3", "BAAI/bge-m3"),
        ("trtllm-llmapi-launch trtllm-serve nvidia/X --backend pytorch", "nvidia/X"),
        ("lmdeploy serve api_server internlm/internlm2_5-7b-chat --tp 2", "internlm/internlm2_5-7b-chat"),
        ("transformers serve --force-model Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("transformers serve Qwen/Qwen3-8B --continuous-batching", "Qwen/Qwen3-8B"),
        ("chg -g 1 -- vllm serve Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("chg --note vllm -- vllm serve Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
    ]);
}

#[test]
fn the_model_stands_behind_options_too() {
    all_tell(&[
        ("vllm serve --port 8000 meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("vllm serve --tensor-parallel-size=2 meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("vllm serve --tensor_parallel_size 2 --enforce-eager Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("vllm serve --trust-remote-code Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        (
            "vllm serve --enable-prefix-caching --no-enable-chunked-prefill -tp 2 Qwen/Qwen3-8B",
            "Qwen/Qwen3-8B",
        ),
        ("vllm serve --enable-chunked-prefill False Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("vllm serve --served-model-name=a Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("vllm serve --api-key a -- Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("trtllm-serve --backend pytorch --tp_size 4 --trust_remote_code nvidia/X", "nvidia/X"),
        (
            "lmdeploy serve api_server --backend pytorch --eager-mode internlm/internlm2_5-7b-chat",
            "internlm/internlm2_5-7b-chat",
        ),
    ]);
    none_tells(&[
        "vllm serve",
        "vllm serve --port 8000",
        "vllm serve --config server.yaml",
        // Each of these may be one value more of the option.
        "vllm serve --served-model-name a Qwen/Qwen3-8B",
        "vllm serve --api-key token-abc123 Qwen/Qwen3-8B",
        "vllm serve --option-of-next-year Qwen/Qwen3-8B",
        "vllm serve --lora-modules a=/x b=/y --port 8000",
        "trtllm-serve disaggregated -c disagg_config.yaml",
        "trtllm-serve verb_of_next_year",
        "lmdeploy serve proxy --server-port 8000",
        "lmdeploy serve api_client http://host:23333",
        "transformers serve",
        "vllm chat",
        "vllm bench serve --port 8000",
    ]);
}

#[test]
fn options_name_the_model() {
    all_tell(&[
        ("python3 -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("vllm serve --port 8000 --model=Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("vllm bench latency --model facebook/opt-125m", "facebook/opt-125m"),
        ("vllm run-batch -i in -o out --model Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("python -m sglang.launch_server --model-path deepseek-ai/V3 --tp 8", "deepseek-ai/V3"),
        ("python -m sglang.launch_server --model deepseek-ai/V3", "deepseek-ai/V3"),
        ("sglang serve --model-path=deepseek-ai/V3", "deepseek-ai/V3"),
        ("text-generation-launcher --model-id bigscience/bloom --num-shard 2", "bigscience/bloom"),
        ("text-embeddings-router --model-id BAAI/bge-m3", "BAAI/bge-m3"),
        ("trtllm-bench --model meta-llama/Llama-3-8B throughput", "meta-llama/Llama-3-8B"),
        ("python -m fastchat.serve.model_worker --model-path lmsys/vicuna --model-names v", "lmsys/vicuna"),
        ("torchrun train.py --model_name_or_path meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("trl sft --model_name_or_path=Qwen/Qwen3-8B --output_dir x", "Qwen/Qwen3-8B"),
        ("axolotl train config.yml --base-model NousResearch/Llama-3.2-1B", "NousResearch/Llama-3.2-1B"),
        ("accelerate launch t.py --pretrained_model_name_or_path=stabilityai/sd-2", "stabilityai/sd-2"),
        ("python train.py --model=resnet50", "resnet50"),
        ("python eval.py --model llama --model_path meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("python train.py --model a/b --model a/b", "a/b"),
    ]);
    none_tells(&[
        "",
        "python train.py",
        "python --model",
        "python --model --other",
        "python --model= x",
        "python compare.py --model a/b --model c/d",
        "python compare.py --model a/b,c/d",
        "text-generation-launcher --port 8080",
        "axolotl train config.yml",
        "python train.py --model_name x",
        "python -m torch.distributed.run train.py",
        "VLLM::EngineCore",
        "VLLM::Worker_TP0",
        "sglang::scheduler_TP0",
        "ray::RayWorkerWrapper.execute_method",
        "sort -m a b",
    ]);
}

#[test]
fn llama_cpp_has_letters_of_its_own() {
    all_tell(&[
        ("/usr/bin/llama-server -m /data/models/llama-3.gguf -ngl 99", "llama-3.gguf"),
        ("llama-server -m llama-3.gguf -md draft.gguf", "llama-3.gguf"),
        ("llama-cli -hf ggml-org/gemma-3-1b-it-GGUF", "ggml-org/gemma-3-1b-it-GGUF"),
        ("./build/bin/llama-perplexity --model models/7B/ggml-model-f16.gguf -f x", "ggml-model-f16.gguf"),
        ("llama-bench -m models/tiny.gguf", "tiny.gguf"),
        ("llama-server --hf-repo bartowski/Qwen3-GGUF:Q4_K_M", "bartowski/Qwen3-GGUF:Q4_K_M"),
        ("llama-server -m local.gguf -hf bartowski/Qwen3-GGUF", "bartowski/Qwen3-GGUF"),
        ("llama-server -dr ai/gemma3", "ai/gemma3"),
        ("llama-server -mu https://example.org/a/resolve/main/x-q4.gguf", "x-q4.gguf"),
        ("python3 -m llama_cpp.server --model /m/llama.gguf", "llama.gguf"),
        (
            "python3 -m llama_cpp.server --hf_model_repo_id Qwen/Qwen2-0.5B-GGUF --model *q8_0.gguf",
            "Qwen/Qwen2-0.5B-GGUF",
        ),
    ]);
    none_tells(&[
        "llama-server --models-dir /models",
        "llama-bench -m a.gguf -m b.gguf",
        "python llama-train.py -m fast",
        "python -m llama-server",
        "docker run -m 16g llama.cpp:server",
    ]);
}

#[test]
fn a_harness_says_it_among_its_arguments() {
    all_tell(&[
        ("lm_eval --model hf --model_args pretrained=EleutherAI/gpt-j-6B,dtype=float", "EleutherAI/gpt-j-6B"),
        ("lm-eval run --model vllm --model_args=dtype=auto,pretrained=gpt2", "gpt2"),
        ("lm-eval run --model hf --model_args dtype=float32 pretrained=gpt2 --tasks x", "gpt2"),
        ("lm-eval run -M hf -a pretrained=gpt2", "gpt2"),
        ("accelerate launch -m lm_eval --model hf --model_args pretrained=gpt2,parallelize=True", "gpt2"),
        (
            "python3 -m accelerate.commands.launch -m lmms_eval --model llava --model_args pretrained=a/b",
            "a/b",
        ),
        (
            "python -m lm_eval --model hf --model_args §{\"pretrained\": \"gpt2\", \"dtype\": \"auto\"}§",
            "gpt2",
        ),
        ("lm_eval --model hf §--model_args={\"pretrained\":\"a/b\",\"peft\":\"c\"}§", "a/b"),
        ("lm_eval --model hf --model_args pretrained=\"gpt2\"", "gpt2"),
        ("lm_eval --model hf --model_args pretrained=old --model_args pretrained=new", "new"),
        ("lm_eval --model hf --model_args pretrained=/models/llama/ --tasks x", "llama"),
        ("python main.py --model hf-causal --model_args pretrained=gpt2", "gpt2"),
    ]);
    none_tells(&[
        "lm_eval --model hf --tasks hellaswag",
        "lm_eval --model hf --model_args dtype=auto",
        "lm_eval --model hf --model_args dtype=auto --tasks pretrained=x",
        "lm_eval --model hf --model_args §{\"pretrained\": 7}§",
        "lm_eval --model hf --model_args §{\"pretrained\"§",
        "lm_eval --model hf --model_args pretrained=",
        "python main.py --model hf-causal --model_args use_accelerate=True",
        "lm_eval --config eval.yaml",
    ]);
}

#[test]
fn what_a_shell_runs_is_told_where_one_command_of_it_counts() {
    all_tell(&[
        ("bash -lc §cd /srv && exec vllm serve Qwen/Qwen3-8B§", "Qwen/Qwen3-8B"),
        ("sh -c §vllm serve Qwen/Qwen3-8B§", "Qwen/Qwen3-8B"),
        ("bash -c §vllm serve Qwen/Qwen3-8B>log 2>&1§", "Qwen/Qwen3-8B"),
        ("bash -c §vllm serve Qwen/Qwen3-8B &>log & wait§", "Qwen/Qwen3-8B"),
        ("bash -c §vllm serve Qwen/Qwen3-8B; echo over§", "Qwen/Qwen3-8B"),
        ("bash -c §vllm serve \"Qwen/Qwen3-8B\" \\\n  --port 8000 2>&1 | tee log§", "Qwen/Qwen3-8B"),
        ("bash -c §# a note; on this\nA=1 B='x y' vllm serve 'Qwen/Qwen3-8B'§", "Qwen/Qwen3-8B"),
        ("bash -eu -o pipefail -c §. env/bin/activate; llama-server -m x.gguf§", "x.gguf"),
        ("timeout 1h bash -c §vllm serve a/b§", "a/b"),
        ("bash run.sh --model a/b", "a/b"),
    ]);
    none_tells(&[
        "bash",
        "bash -c",
        "bash -c §echo hello§",
        "bash script.sh -c §vllm serve a/b§",
        // Which of them is it?
        "bash -c §lm_eval --model_args pretrained=a/b && python analyze.py§",
        "bash -c §vllm serve a/b & python client.py§",
        // What the shell makes of it is not known.
        "bash -c §vllm serve $MODEL§",
        "bash -c §vllm serve \"${1:-a/b}\"§",
        "bash -c §vllm serve `cat model`§",
        "bash -c §for m in a b; do vllm serve $m; done§",
        "bash -c §vllm serve 'a/b§",
        "bash -c §vllm serve a/b\\§",
    ]);
}

#[test]
fn a_path_is_called_by_what_tells_it_apart() {
    all_tell(&[
        ("vllm serve /models/Llama-3-8B/", "Llama-3-8B"),
        ("vllm serve s3://bucket/models/Llama-3-8B", "Llama-3-8B"),
        ("vllm serve ./local", "local"),
        ("vllm serve out/run-7/checkpoint-500", "checkpoint-500"),
        ("vllm serve gpt2", "gpt2"),
        (
            "vllm serve /home/a/.cache/huggingface/hub/models--Qwen--Qwen3-8B/snapshots/0123abcd",
            "Qwen/Qwen3-8B",
        ),
    ]);
    none_tells(&[
        "vllm serve /",
        "vllm serve .",
        "vllm serve ../..",
        // A layer's digest tells nobody anything.
        "/usr/local/bin/ollama runner --model /usr/share/ollama/.ollama/models/blobs/sha256-6a0746a1ec1a --port 3",
        "/usr/local/bin/ollama runner --ollama-engine --model /root/.ollama/models/blobs/sha256-6a07 --port 3",
    ]);
}

#[test]
fn an_overwritten_command_line_takes_the_model_of_its_parents() {
    let (engine, server, shell) =
        (words("VLLM::EngineCore"), words("vllm serve Qwen/Qwen3-8B"), words("x --model other"));
    assert_eq!(
        model_of([engine.as_slice(), &server, &shell]).as_deref(),
        Some("Qwen/Qwen3-8B"),
        "the nearest comes first"
    );
    assert_eq!(model_of([]), None);
}
