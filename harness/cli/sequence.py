"""The verb that predicts lengths and memory operations: ``sequence extract``, ``train`` and ``evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.workspace import Workspace

sequence = typer.Typer(no_args_is_help=True, help="Predict the next length or memory operation from those before.")

TASK = typer.Option(metavar="TASK", help="regression (the number) or classification (one of M classes).")
WINDOW = typer.Option(metavar="W", help="How many values before it a value is predicted from.")
DATA = typer.Option(metavar="CSV", help="One column of whole numbers with a header, in order of time.")
ENGINE = typer.Option(envvar="HARNESS_ENGINE", metavar="PIN", help="Whose torch is used.", show_default="the CPU pin's")
JSON = typer.Option("--json", help="One JSON document as the last line of stdout.")


@sequence.command()
def extract(
    column: Annotated[
        str, typer.Option(metavar="COLUMN", help="output_tokens, prompt_tokens, total_tokens; of --events operations.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="A new file.")],
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of `workload make`, or Mooncake's, as JSONL.")
    ] = None,
    events: Annotated[Path | None, typer.Option(metavar="FILE.jsonl.gz", help="Of `replay --events`.")] = None,
) -> None:
    """One column of a trace (in order of arrival) or of an event log (in its order), as CSV."""
    from harness.commands.sequence.command import run_extract

    run_extract(trace, events, column, out)


@sequence.command()
def train(
    task: Annotated[str, TASK],
    window_size: Annotated[int, WINDOW],
    data: Annotated[Path, DATA],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder: model.safetensors, model.json.")],
    mod: Annotated[
        int | None,
        typer.Option(
            metavar="M", help="Predict value mod M.", show_default="the value; a classification: M distinct values"
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="MODEL", help="mlp or lstm.")] = "mlp",
    epochs: Annotated[int, typer.Option(metavar="N", help="At most; validation ends it earlier.")] = 100,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Equal seeds, equal models.")] = 0,
    engine: Annotated[str | None, ENGINE] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Train a model on the first 85 % of a sequence."""
    from harness.commands.sequence.command import run_train
    from harness.measure.sequence_models import Training

    training = Training(model, epochs, seed)
    run_train(data, (task, window_size, mod), training, out, engine, as_json, Workspace())


@sequence.command()
def evaluate(
    task: Annotated[str, TASK],
    window_size: Annotated[int, WINDOW],
    data: Annotated[Path, DATA],
    mod: Annotated[
        int | None,
        typer.Option(metavar="M", help="Of the value.", show_default="the models'; without models as of `train`"),
    ] = None,
    model_dir: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Of `train`; may be given several times.")
    ] = None,
    engine: Annotated[str | None, ENGINE] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Do models predict the last 15 % of a sequence better than the best of simple rules?"""
    from harness.commands.sequence.command import run_evaluate

    run_evaluate(data, (task, window_size, mod), model_dir or [], engine, as_json, Workspace())
