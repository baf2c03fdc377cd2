//! As `documented`: the pages of DeepSpeed and SGLang.

use super::{Pages, check};

#[test]
fn deepspeed() {
    let pages: Pages = &[
        (
            "https://www.deepspeed.ai/getting-started/",
            &[
                (
                    "deepspeed --hostfile=myhostfile train.py --arg --deepspeed --deepspeed_config ds_config.json",
                    "?",
                ),
                ("deepspeed --num_nodes=2 train.py --arg --deepspeed --deepspeed_config ds_config.json", "?"),
                (
                    "deepspeed --exclude=\"worker-2:0@worker-3:0,1\" train.py --deepspeed_config ds_config.json",
                    "?",
                ),
                ("deepspeed --include=\"worker-2:0,1\" train.py --deepspeed_config ds_config.json", "?"),
                (
                    "deepspeed --hostfile=myhostfile --no_ssh --node_rank=1 --master_addr=10.0.0.1 \
                     --master_port=29500 train.py --deepspeed --deepspeed_config ds_config.json",
                    "?",
                ),
                ("deepspeed --include localhost:0,1 train.py", "ids 0,1"),
                ("CUDA_VISIBLE_DEVICES=0,1 deepspeed train.py", "all"),
            ],
        ),
        (
            "https://www.deepspeed.ai/tutorials/inference-tutorial/",
            &[
                ("deepspeed --num_gpus 2 inference.py", "2"),
                ("deepspeed --num_gpus 2 gpt-neo-2.7b-generation.py", "2"),
            ],
        ),
        (
            "https://www.deepspeed.ai/tutorials/accelerator-setup-guide/",
            &[
                ("deepspeed --bind_cores_to_rank train.py", "all"),
                (
                    "deepspeed --num_accelerators 4 --bind_cores_to_rank --bind_core_list 0-27,32-59 inference.py",
                    "4",
                ),
            ],
        ),
        (
            "https://www.deepspeed.ai/tutorials/zero-offload/",
            &[("deepspeed --num_nodes 1 --num_gpus 1 train.py", "1")],
        ),
        (
            "https://www.deepspeed.ai/tutorials/cifar-10/",
            &[("deepspeed cifar10_deepspeed.py --deepspeed_config ds_config.json", "all")],
        ),
        (
            "https://www.deepspeed.ai/tutorials/autotuning/",
            &[(
                "deepspeed --autotuning run --num_nodes=1 --num_gpus=8 run_clm.py --deepspeed ds_config.json",
                "8",
            )],
        ),
        (
            "https://www.deepspeed.ai/tutorials/bert-pretraining/",
            &[("deepspeed --num_nodes 4 deepspeed_train.py --deepspeed", "?")],
        ),
    ];
    check(pages, &[("myhostfile", "worker-1 slots=4\nworker-2 slots=4\n")]);
}

#[test]
fn sglang() {
    let files = &[
        (
            "config.yaml",
            "model-path: meta-llama/Meta-Llama-3-8B-Instruct\nhost: 0.0.0.0\nport: 30000\n\
             tensor-parallel-size: 2\nenable-metrics: true\nlog-requests: true\n",
        ),
        (
            "config.json",
            "{\"model_path\": \"FastVideo/FastHunyuan-diffusers\", \"num_gpus\": 2, \"sp_size\": 2, \
             \"tp_size\": 1, \"vae_config\": {\"load_encoder\": false}, \"mask_strategy_file_path\": null}",
        ),
    ];
    let pages: Pages = &[
        (
            "https://docs.sglang.io/advanced_features/server_arguments.html",
            &[
                ("python -m sglang.launch_server --config config.yaml", "2"),
                (
                    "python -m sglang.launch_server --model-path meta-llama/Meta-Llama-3-8B-Instruct --tp 2",
                    "2",
                ),
                (
                    "python -m sglang_router.launch_server --model-path meta-llama/Meta-Llama-3-8B-Instruct \
                     --dp 2 --tp 2",
                    "4",
                ),
                (
                    "python -m sglang.launch_server --model-path meta-llama/Meta-Llama-3-8B-Instruct \
                     --mem-fraction-static 0.7",
                    "1",
                ),
                (
                    "python -m sglang.launch_server --model-path meta-llama/Meta-Llama-3-8B-Instruct --tp 4 \
                     --dist-init-addr sgl-dev-0:50000 --nnodes 2 --node-rank 1",
                    "2",
                ),
            ],
        ),
        (
            "https://docs.sglang.io/advanced_features/pd_disaggregation.html",
            &[
                (
                    "python -m sglang.launch_server --model-path meta-llama/Llama-3.1-8B-Instruct \
                     --disaggregation-mode decode --port 30001 --base-gpu-id 1 \
                     --disaggregation-ib-device mlx5_roce0",
                    "ids 1",
                ),
                (
                    "python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3-0324 \
                     --disaggregation-mode prefill --port 30000 --trust-remote-code \
                     --dist-init-addr 10.0.0.1:5000 --nnodes 2 --node-rank 0 --tp-size 16 --dp-size 8 \
                     --enable-dp-attention --moe-a2a-backend deepep --mem-fraction-static 0.8",
                    "8",
                ),
            ],
        ),
        (
            "https://docs.sglang.io/references/multi_node_deployment/multi_node.html",
            &[
                (
                    "python3 -m sglang.launch_server --model-path meta-llama/Meta-Llama-3.1-405B-Instruct \
                     --tp 16 --dist-init-addr 172.16.4.52:20000 --nnodes 2 --node-rank 0",
                    "8",
                ),
                (
                    "python -m sglang.launch_server --model-path meta-llama/Meta-Llama-3.1-405B-Instruct-FP8 \
                     --tp 8",
                    "8",
                ),
            ],
        ),
        (
            "https://github.com/sgl-project/sglang/blob/46319a7/docs/diffusion/basic_usage/cli.md",
            &[
                (
                    "sglang serve --model-path Wan-AI/Wan2.1-T2V-1.3B-Diffusers --text-encoder-cpu-offload \
                     --pin-cpu-memory --num-gpus 4 --ulysses-degree=2 --ring-degree=2",
                    "4",
                ),
                ("sglang generate --config config.json", "2"),
                ("sglang generate --help", "-"),
            ],
        ),
        (
            "https://github.com/sgl-project/sglang/blob/main/python/sglang/benchmark/serving.py",
            &[("python3 -m sglang.benchmark.serving --backend sglang --num-prompt 10", "-")],
        ),
        (
            "https://github.com/sgl-project/sglang/blob/main/python/sglang/compile_deep_gemm.py",
            &[(
                "python3 -m sglang.compile_deep_gemm --model deepseek-ai/DeepSeek-V3 --tp 8 --trust-remote-code",
                "8",
            )],
        ),
    ];
    check(pages, files);
}
