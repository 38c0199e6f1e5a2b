"""The feature matrix's tables in figure anatomy's slot. What the quantities are: docs/features.md.

    features.csv            the cases: question, baseline, how the case ended
    feature_runs.csv        one number of one ok run a row
    feature_comparisons.csv a case against its baseline, over the repeats that both have: one statistic a row
    feature_outputs.csv     answers of a case against its baseline's, over the same repeats: one statistic a row

What does not exist has no row.
"""

from harness.record.tables import Table

OK, FAILED = "ok", "failed"
REFUSED = "refused"  # failed as it is declared to
NOTHING = "-"  # of a text that does not exist

# Metrics of feature_runs.csv; seconds are means over a run's measured passes, counts are of one pass.
WALL, CPU, SPIN, START = "wall_s", "cpu_s", "spin_s", "start_s"
TOKENS, STEPS, TOKENS_PER_STEP, STEP_TOKENS = "output_tokens", "steps", "tokens_per_step", "step_tokens"
DRAFTS, DRAFT_TOKENS, ACCEPTED = "drafts", "draft_tokens", "accepted_tokens"
ACCEPTANCE, TOKENS_PER_DRAFT, ACCEPTANCE_AT = "acceptance_rate", "tokens_per_draft", "acceptance_rate_at_"
PREFIX_QUERIES, PREFIX_HITS, HIT_RATE = "prefix_queries", "prefix_hits", "prefix_hit_rate"
UNSTABLE = "answers_not_repeated"  # of a run's passes
UNLIKE_FIRST = "answers_unlike_first_repeat"  # of a case's repeats
COMPARED = (CPU, WALL)

# Statistics of feature_comparisons.csv: of baseline ÷ case, so that more than 1 is faster; 95 % intervals.
SPEEDUP, SPEEDUP_LOW, SPEEDUP_HIGH, N = "speed-up", "speed-up low", "speed-up high", "n"
BASELINE_MEAN, MEAN = "baseline mean", "mean"
HOURS_APART = "hours apart"  # the largest distance between the starts of two paired runs

# Statistics of feature_outputs.csv: numbers of answers, and nats.
ANSWERS, IDENTICAL, NEAR_TIES, DIFFERENT = "compared", "identical", "near ties", "different"
NEAR_TIE, LARGEST_DIFFERENCE = "tolerance", "largest difference"

FEATURES = Table(
    "features.csv",
    {"feature": str, "baseline": str, "question": str, "model": str, "workload": str, "status": str, "reason": str,
     "ok_runs": int, "failed_runs": int},
    {},
)  # fmt: skip
FEATURE_RUNS = Table(
    "feature_runs.csv",
    {"case": str, "feature": str, "repeat": int, "metric": str, "value": float, "unit": str},
    {},
    {"repeat": 1e6, "value": 1e15},
)
FEATURE_COMPARISONS = Table(
    "feature_comparisons.csv",
    {"feature": str, "baseline": str, "metric": str, "statistic": str, "value": float},
    {},
    {"value": 1e15},
)
FEATURE_OUTPUTS = Table(
    "feature_outputs.csv",
    {"feature": str, "baseline": str, "statistic": str, "value": float},
    {"value": "answers; nats of a gap or difference"},
)
FEATURE_TABLES = (FEATURES, FEATURE_RUNS, FEATURE_COMPARISONS, FEATURE_OUTPUTS)
