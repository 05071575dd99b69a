#!/usr/bin/env python3
"""Calibrators fitted by independent implementations on the logits of a CIFAR-10 network, all 10,000 test images (`oracle`).

  BALPOE_DATA=DIR python3 calibrators.py

Prints negative log-likelihood and ECE (15 bins of equal width, (lo, hi], of the largest probability) after each calibrator, in
float64: SciPy minimises the stated objectives, scikit-learn fits isotonic regression, NumPy does the rest. The goldens of
`plugins/tests/calibrators.rs` are what it printed with NumPy 2.4.6, SciPy 1.17.1 and scikit-learn 1.9.1.
"""
import os

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize
from scipy.special import expit, log_softmax
from sklearn.isotonic import IsotonicRegression

FOLDER = os.environ["BALPOE_DATA"] + "/logits/"
z = np.fromfile(FOLDER + "cifar10_resnet56.logits.f32", "<f4").reshape(-1, 10).astype(np.float64)
y = np.fromfile(FOLDER + "cifar10_test_labels.u8", "u1").astype(int)
n, k = z.shape
rows = np.arange(n)
log_p = log_softmax(z, axis=1)
p = np.exp(log_p)
hit = np.eye(k)[y]


def show(name, logits):
    q = log_softmax(logits, axis=1)
    confidence, right = np.exp(q.max(1)), q.argmax(1) == y
    bins = np.clip(np.ceil(confidence * 15), 1, 15).astype(int)
    ece = sum(abs(confidence[bins == b].sum() - right[bins == b].sum()) for b in range(1, 16)) / n
    print(f"{name:24} NLL {-q[rows, y].mean():.12f} ECE {ece:.12f}")


def least(loss, start, **more):
    options = {"maxiter": 20000, "maxfun": 100000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 30}
    return minimize(loss, start, jac=True, method="L-BFGS-B", options=options, **more).x


def normalised(probabilities):
    return np.log(np.maximum(probabilities / probabilities.sum(1, keepdims=True), 1e-12))


def vector():
    def loss(x):
        q = log_softmax(z * x[:k] + x[k:], axis=1)
        g = (np.exp(q) - hit) / n
        return -q[rows, y].mean(), np.concatenate([(g * z).sum(0), g.sum(0)])

    x = least(loss, np.r_[np.ones(k), np.zeros(k)])
    return z * x[:k] + x[k:]


def affine(features):
    """Kull et al. 2019, with ODIR of weights 1 and 1."""
    off, pairs = 1 - np.eye(k), k * (k - 1)

    def loss(x):
        w, b = x[: k * k].reshape(k, k), x[k * k :]
        q = log_softmax(features @ w.T + b, axis=1)
        g = (np.exp(q) - hit) / n
        value = -q[rows, y].mean() + (off * w * w).sum() / pairs + (b * b).sum() / k
        return value, np.concatenate([(g.T @ features + 2 * off * w / pairs).ravel(), g.sum(0) + 2 * b / k])

    x = least(loss, np.r_[np.eye(k).ravel(), np.zeros(k)])
    return features @ x[: k * k].reshape(k, k).T + x[k * k :]


def beta():
    """Kull et al. 2017, with a pull of 0.001 toward the identity."""
    identity = np.array([1.0, 1.0, 0.0])
    calibrated = np.empty_like(p)
    for c in range(k):
        q = np.clip(p[:, c], 1e-12, 1 - 1e-12)
        x = np.stack([np.log(q), -np.log1p(-q), np.ones(n)], 1)

        def loss(t):
            logits, pull = x @ t, t - identity
            value = np.logaddexp(0, logits).sum() - (hit[:, c] * logits).sum() + 1e-3 * (pull**2).sum()
            return value, x.T @ (expit(logits) - hit[:, c]) + 2e-3 * pull

        calibrated[:, c] = expit(x @ least(loss, identity, bounds=[(0, None), (0, None), (None, None)]))
    return normalised(calibrated)


def isotonic():
    fitted = [IsotonicRegression(out_of_bounds="clip").fit(p[:, c], hit[:, c]) for c in range(k)]
    return normalised(np.stack([fitted[c].predict(p[:, c]) for c in range(k)], 1))


def histogram():
    """15 bins of equal width."""
    calibrated = np.empty_like(p)
    for c in range(k):
        bins = np.clip(np.ceil(p[:, c] * 15), 1, 15).astype(int)
        for b in np.unique(bins):
            calibrated[bins == b, c] = hit[bins == b, c].mean()
    return normalised(calibrated)


def spline():
    """Gupta et al. 2021, natural cubic with 6 knots."""
    confidence, right = p.max(1), (p.argmax(1) == y).astype(float)
    order, t, knots = np.argsort(confidence, kind="stable"), np.arange(n) / (n - 1), np.linspace(0, 1, 6)
    cumulated = np.cumsum((right[order] - confidence[order]) / n)
    basis = CubicSpline(knots, np.eye(6), bc_type="natural")(t)
    fitted = CubicSpline(knots, np.linalg.lstsq(basis, cumulated, rcond=None)[0], bc_type="natural")
    corrected = np.empty(n)
    corrected[order] = np.clip(confidence[order] + fitted(t, 1), 1e-12, 1 - 1e-12)
    logits = log_p + np.log((1 - corrected) / np.maximum(1 - confidence, 1e-12))[:, None]
    logits[rows, p.argmax(1)] = np.log(corrected)
    return logits


show("none", z)
show("vector", vector())
show("matrix", affine(z))
show("dirichlet", affine(log_p))
show("beta", beta())
show("isotonic", isotonic())
show("histogram-binning", histogram())
show("spline", spline())
