"""The leaves of the partition of exec→ready: every nanosecond of a start belongs to exactly one of them.

One place for names and meanings. ``LEAVES`` are the phases a hook table may name; ``interpreter:<role>`` and
``imports:<role>`` are added per process by the partition, ``unattributed`` is what no hook explains.
Groups are sums of leaves for comparison with the paper; they are never added to the leaves.
"""

UNATTRIBUTED = "unattributed"

# The processes of an engine, in the order in which a start passes through them.
ROLES = ("main", "inspect", "api", "engine", "worker")

# leaf → meaning. Order = order in which a start usually passes through them (used by plots and tables).
LEAVES: dict[str, str] = {
    "launcher": "what runs before the engine's first Python process: a shell script or another program that starts it",
    "process_spawn": "create a child process and hand it its arguments, until the child's interpreter starts",
    "plugins": "find and run vLLM plugins",
    "detect_platform": "decide which hardware platform this is",
    "config": "turn arguments into the engine configuration, model config file included",
    "model_inspect": "look at the model class for its capabilities (a subprocess when not cached)",
    "tokenizer_init": "read and build the tokenizer",
    "renderer": "set up and warm up what turns requests into tokens and back",
    "device_init": "select the device, set threads, build worker and model runner",
    "cuda_context": "create the CUDA context on the GPU and load the libraries that it needs",
    "dist_init": "set up process groups, message queues and other channels between processes",
    "nccl_init": "create NCCL communicators and custom all-reduce between GPUs",
    "model_init": "construct the model's modules with empty weights",
    "load_weights": "read the checkpoint and copy it into the model",
    "weight_postprocess": "repack weights for the kernels",
    "dynamo_transform_time": "Dynamo traces the Python of the model into a graph and builds guards",
    "aot_autograd": "AOTAutograd turns the traced graph into one the backend compiles",
    "inductor_passes": "Inductor's graph passes and lowering to its loop-level IR",
    "inductor_codegen": "Inductor schedules, fuses and writes kernels as source code",
    "graph_compile_general_shape": "what else the compiler back end does on a cache miss",
    "graph_compile_cached": "find a compiled graph in the cache, load it, and compute the cache's keys",
    "compiler_subprocess": "wait for the C++ compiler (or another code generator's process)",
    "isa_probe": "ask which vector instructions the C++ compiler and the CPU support, by compiling probes",
    "kv_cache_profiling": "dummy forward and sampling to see how much memory is left for the KV cache",
    "kv_cache_alloc": "decide the KV cache's layout and allocate it",
    "warmup": "run the model and its kernels once before serving",
    "kernel_warmup": "compile, tune and load kernels before requests need them, before or after graph capture",
    "sampler_warmup": "sample once from random logits at the largest batch size",
    "graph_capturing": "capture CUDA graphs",
    "structured_output": "set up the grammar back end for structured output",
    "scheduler_init": "build the scheduler",
    "gc_freeze": "collect garbage and freeze the heap before serving",
    "thread_wait": "wait for a thread of the same process, whatever that does",
    "server_start": "build the HTTP application, open its socket, answer the first request",
}

INTERPRETER = "interpreter"
PER_PROCESS_LEAVES: dict[str, str] = {
    INTERPRETER: "start of a Python interpreter until site hooks run, what `python -m` runs; exit where somebody waits",
    "imports": "importing modules, wherever it happens",
}

COMPILE_LEAVES = (
    "aot_autograd",
    "inductor_passes",
    "inductor_codegen",
    "graph_compile_general_shape",
    "graph_compile_cached",
    "compiler_subprocess",
    "isa_probe",
)

# Stages that run only on a cache miss: a start that spends time in them compiled.
COMPILING_LEAVES = ("aot_autograd", "inductor_passes", "inductor_codegen", "graph_compile_general_shape")

# group → leaves. The paper's groups, by what the leaves do (not by its log lines: those are log_quantities).
GROUPS: dict[str, tuple[str, ...]] = {
    "framework_bootstrap": (
        "interpreter",
        "imports",
        "process_spawn",
        "plugins",
        "detect_platform",
        "config",
        "model_inspect",
        "device_init",
        "cuda_context",
        "dist_init",
        "nccl_init",
    ),
    "model_loading": ("model_init", "load_weights"),
    "init_engine": (
        "dynamo_transform_time",
        *COMPILE_LEAVES,
        "kv_cache_profiling",
        "kv_cache_alloc",
        "warmup",
        "kernel_warmup",
        "sampler_warmup",
        "graph_capturing",
    ),
}


def group_seconds(phases: dict[str, float]) -> dict[str, float]:
    """Seconds of each group, from leaf seconds (``imports:engine`` counts as ``imports``)."""
    return {
        group: sum(seconds for leaf, seconds in phases.items() if leaf.split(":")[0] in members)
        for group, members in GROUPS.items()
    }
