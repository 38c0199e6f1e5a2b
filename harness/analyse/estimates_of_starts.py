"""Estimators of other things of starts: their cores, their predictability, their repeatability."""

from dataclasses import replace
from statistics import fmean, median

from harness.analyse import predictor
from harness.analyse.claimed_starts import Number, find, used_of
from harness.analyse.cores import load_of
from harness.analyse.dataset import MEASURED
from harness.analyse.evidence import Evidence, NotMeasuredError
from harness.analyse.stats import summarise
from harness.spec import estimates as how
from harness.spec.estimates import Starts


def core_use(wanted: how.CoreUse, evidence: Evidence, number: str) -> Number:
    """Median of busy thread-equivalents, or the share of samples in a burst; over the starts of a case their mean."""
    found = find(evidence, number, Starts())
    case = found.only()
    uses = evidence.cores.get((number, found.slot, case.model), {})
    loads = [load_of(uses[one.run]) for one in case.repeats if one.kind == MEASURED and one.run in uses]
    if not loads:
        raise NotMeasuredError(f"figure {number} has no sampled start", f"bash run_figure.sh {number}")
    if (fewest := min(load.cores for load in loads)) < wanted.least_cores:
        raise NotMeasuredError(f"needs a machine of {wanted.least_cores} cores: {fewest} cannot show it")
    values = [load.median if wanted.what == "median threads" else len(load.bursts_s) / load.intervals for load in loads]
    return Number(fmean(values), found.used)


def prediction_error(wanted: how.PredictionError, evidence: Evidence, number: str) -> Number:
    """Errors of the paper's predictor, in percent."""
    training, found = find(evidence, number, Starts()), find(evidence, number, wanted.starts)
    names = predictor.VALIDATION if wanted.of == "validation" else wanted.of
    try:
        trained = predictor.train(replace(training.side, cases=training.cases), wanted.without)
    except predictor.TooFewModelsError as error:
        raise NotMeasuredError(f"the predictor {error}") from None
    cases = tuple(case for case in found.cases if not names or case.model in names)
    # Only the paper's capture line is over more than it is fed with: that of own starts is fed what it was trained on.
    batch = wanted.batch if training.side.whose == "paper" else predictor.PUBLISHED_BATCH
    made = predictor.predictions(trained, cases, batch)
    if len(made) < max(len(names), 1):
        raise NotMeasuredError(f"{len(made)} of {len(names)} models to predict are measured", "bash run_figure.sh 17")
    errors = [prediction.error * 100 for prediction in made]
    value = fmean(map(abs, errors)) if wanted.what == "mape" else fmean(errors)
    return Number(value, training.used + used_of(found, cases))


def repeat_spread(wanted: how.RepeatSpread, evidence: Evidence, number: str) -> Number:
    """Median or largest coefficient of variation over the repeats of a case."""
    spreads, used = [], []
    for starts in wanted.figures:
        try:
            found = find(evidence, number, starts)
        except NotMeasuredError:
            continue
        for one in found.used:
            summary = summarise(one[2].values(wanted.quantity))
            if summary and summary.cv is not None:
                spreads.append(summary.cv)
                used.append(one)
    if not spreads:
        raise NotMeasuredError("no case was started twice in the same state", "bash run_figure.sh 2")
    there = len({(figure, slot) for figure, slot, _ in used})
    partial = f"{there} of {len(wanted.figures)} recordings" if there < len(wanted.figures) else ""
    return Number(
        median(spreads) if wanted.reduce == "median" else max(spreads),
        tuple(used),
        partial=partial,
        repeatable=False,
        shape_only=bool(partial) and wanted.reduce == "max",  # the largest may be among those that are not there
    )
