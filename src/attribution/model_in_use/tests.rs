//! Command lines as they are seen on hosts that serve and train models.

use super::*;

fn found(line: &str) -> Option<String> {
    // Words with blanks in them are put in |bars|.
    let mut words = Vec::new();
    for (at, part) in line.split('|').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    model_of([words.as_slice()])
}

#[test]
fn every_command_line_tells_its_model() {
    let lines = [
        ("vllm serve meta-llama/Llama-3-8B --port 8000", "meta-llama/Llama-3-8B"),
        ("/opt/env/bin/python3 /opt/env/bin/vllm serve Qwen/Qwen3-8B -tp 2", "Qwen/Qwen3-8B"),
        ("python3 -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("python -m vllm.entrypoints.cli.main serve Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("vllm serve --port 8000 --model=Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("vllm bench latency --model facebook/opt-125m", "facebook/opt-125m"),
        ("vllm run-batch -i in -o out --model Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        (
            "python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3 --tp 8",
            "deepseek-ai/DeepSeek-V3",
        ),
        ("sglang serve --model-path=deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V3"),
        ("text-generation-launcher --model-id bigscience/bloom", "bigscience/bloom"),
        ("text-generation-server serve bigscience/bloom --sharded", "bigscience/bloom"),
        ("/usr/bin/llama-server -m /data/models/llama-3.gguf -ngl 99", "llama-3.gguf"),
        ("llama-cli -hf ggml-org/gemma-3-1b-it-GGUF", "ggml-org/gemma-3-1b-it-GGUF"),
        (
            "./build/bin/llama-perplexity --model models/7B/ggml-model-f16.gguf -f x",
            "models/7B/ggml-model-f16.gguf",
        ),
        ("llama-server --hf-repo bartowski/Qwen3-GGUF:Q4_K_M", "bartowski/Qwen3-GGUF:Q4_K_M"),
        ("llama-server -mu https://example.org/a/resolve/main/x-q4.gguf", "x-q4.gguf"),
        ("python3 -m llama_cpp.server --model /m/llama.gguf", "llama.gguf"),
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
            "python -m lm_eval --model hf --model_args |{\"pretrained\": \"gpt2\", \"dtype\": \"auto\"}|",
            "gpt2",
        ),
        ("torchrun train.py --model_name_or_path meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("python train.py --model=resnet50", "resnet50"),
        ("bash -lc |cd /srv && exec vllm serve Qwen/Qwen3-8B|", "Qwen/Qwen3-8B"),
        ("chg -g 1 -- vllm serve Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("vllm serve /models/Llama-3-8B/", "Llama-3-8B"),
        (
            "vllm serve /home/a/.cache/huggingface/hub/models--Qwen--Qwen3-8B/snapshots/0123abcd",
            "Qwen/Qwen3-8B",
        ),
        ("vllm serve ./local", "local"),
        ("vllm serve /", "/"),
    ];
    for (line, model) in lines {
        assert_eq!(found(line).as_deref(), Some(model), "{line}");
    }
}

#[test]
fn nothing_is_guessed() {
    let lines = [
        "",
        "python train.py",
        "python -m torch.distributed.run train.py",
        "vllm serve",
        "vllm serve --port 8000",
        "vllm chat",
        "python --model",
        "python --model --other",
        "python --model= x",
        "lm_eval --model hf --tasks hellaswag",
        "lm_eval --model hf --model_args dtype=auto",
        "lm_eval --model hf --model_args dtype=auto --tasks pretrained=x",
        "vllm serve --config server.yaml",
        "text-generation-launcher --port 8080",
        "llama-server --models-dir /models",
        "lm_eval --model hf --model_args |{\"pretrained\": 7}|",
        "lm_eval --model hf --model_args |{\"pretrained\"|",
        "bash",
        "bash -c",
        "bash -c |echo hello|",
        "VLLM::EngineCore",
        "sort -m a b",
    ];
    for line in lines {
        assert_eq!(found(line), None, "{line}");
    }
}

#[test]
fn an_overwritten_command_line_takes_the_model_of_its_parents() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (engine, server, shell) =
        (words("VLLM::EngineCore"), words("vllm serve Qwen/Qwen3-8B"), words("x --model other"));
    assert_eq!(
        model_of([engine.as_slice(), &server, &shell]).as_deref(),
        Some("Qwen/Qwen3-8B"),
        "the nearest comes first"
    );
    assert_eq!(model_of([]), None);
}

#[test]
fn a_long_name_is_cut_at_characters() {
    let long = format!("vllm serve {}", "ä".repeat(80));
    assert_eq!(found(&long).map(|name| name.chars().count()), Some(50));
}
