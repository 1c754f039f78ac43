"""Makes Golden/metrics.json, which MetricsTests.swift reads: inputs and scikit-learn's answers.

Run: python make_metrics_golden.py   (needs numpy, scipy and scikit-learn)
"""

import json
import pathlib

import numpy
import sklearn
from scipy.special import softmax
from sklearn import metrics

SEED = 7
rng = numpy.random.default_rng(SEED)


def rounded(array):
    """Few digits, so that the file is small and scores tie."""
    return numpy.round(array, 2).astype(numpy.float32)


classes = 7
targets = rng.integers(0, classes - 1, 60)  # the last class never occurs as a target
logits = rounded(rng.normal(size=(60, classes)) + 1.2 * numpy.eye(classes)[targets])
predicted = logits.argmax(1)
precision, recall, f1, support = metrics.precision_recall_fscore_support(
    targets, predicted, labels=range(classes), zero_division=0)
top5 = numpy.mean([t in numpy.argsort(-row, kind="stable")[:5] for t, row in zip(targets, logits)])

labels = 9
present = rng.random((50, labels)) < 0.2
present[:, 4] = False  # a label without positives is left out of the mean
scores = rounded(rng.normal(size=(50, labels)) + present)
scores[:, 2] = numpy.round(scores[:, 2])  # many ties
average = [metrics.average_precision_score(present[:, k], scores[:, k]) if present[:, k].any() else None
           for k in range(labels)]

numbers = rng.normal(100, 15, 40)
outputs = rounded(numbers + rng.normal(0, 6, 40))

json.dump({
    "provenance": f"make_metrics_golden.py, scikit-learn {sklearn.__version__}, numpy {numpy.__version__}, seed {SEED}",
    "classification": {
        "outputs": logits.flatten().tolist(), "targets": targets.tolist(), "classes": classes,
        "accuracy": metrics.accuracy_score(targets, predicted), "top5": float(top5),
        "log_loss": metrics.log_loss(targets, softmax(logits.astype(numpy.float64), axis=1), labels=range(classes)),
        "macro_f1": metrics.f1_score(targets, predicted, average="macro"),
        "precision": precision.tolist(), "recall": recall.tolist(), "f1": f1.tolist(), "support": support.tolist(),
    },
    "multilabel": {
        "outputs": scores.flatten().tolist(), "labels": labels,
        "targets": [numpy.flatnonzero(row).tolist() for row in present],
        "average_precisions": average, "map": float(numpy.mean([a for a in average if a is not None])),
        "micro_f1": metrics.f1_score(present, scores > 0, average="micro"),
    },
    "regression": {
        "outputs": outputs.tolist(), "targets": numbers.tolist(),
        "mae": metrics.mean_absolute_error(numbers, outputs),
        "rmse": metrics.root_mean_squared_error(numbers, outputs), "r2": metrics.r2_score(numbers, outputs),
    },
}, open(pathlib.Path(__file__).parent / "Golden" / "metrics.json", "w"), separators=(",", ":"))
