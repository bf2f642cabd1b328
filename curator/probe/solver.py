"""Minimises the multinomial logistic loss for many weightings of the same images at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.types import Floats, Ints

_MAX_ITERATIONS = 200
_HISTORY = 6
"""Number of steps from which the curvature is corrected. From 3 to 12, more cost memory and saved no iteration."""
_BLOCK = 1024
"""Number of images scored at a time, so that their scores under a chunk of refits stay in the processor's cache."""
_CURVATURE_ROWS = 16
"""Number of images per dimension for estimating the curvature, which only guides the steps."""
_ENOUGH = 1e-4
"""Share of the predicted descent that a step must achieve (Armijo)."""

State = NDArray[np.float32]
"""Coefficients and then intercepts: (d + 1, k, b), so that the refits of one coefficient are adjacent in memory."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Mean loss of b weightings: images `x` (n, d + 1), `weights` (n, b) that sum to 1, `penalty` (b,), `absent` (k, b)."""

    x: Floats
    labels: Ints
    weights: NDArray[np.float32]
    penalty: NDArray[np.float32]
    absent: NDArray[np.bool_]

    def take(self, idx: NDArray[np.intp]) -> Problem:
        """The problem with only these refits."""
        if len(idx) == len(self.penalty):
            return self
        return Problem(self.x, self.labels, self.weights[:, idx], self.penalty[idx], self.absent[:, idx])

    def loss(self, state: State) -> tuple[NDArray[np.float64], State]:
        """Loss (b,) in nats per image and its gradient (d + 1, k, b)."""
        d1, k, b = state.shape
        flat = np.ascontiguousarray(state).reshape(d1, k * b)
        gradient = np.zeros((d1, k * b), np.float32)
        loss = np.zeros(b)
        offset = np.where(self.absent, -np.inf, 0).astype(np.float32) if self.absent.any() else None
        for at in range(0, len(self.x), _BLOCK):
            x, labels, w = self.x[at : at + _BLOCK], self.labels[at : at + _BLOCK], self.weights[at : at + _BLOCK]
            scores = (x @ flat).reshape(len(x), k, b)
            if offset is not None:
                scores += offset
            scores -= scores.max(1)[:, None]
            here = np.arange(len(x))
            own = scores[here, labels]
            np.exp(scores, out=scores)
            total = scores.sum(1)
            surprise = np.log(total) - own
            # Every weight of an absent class is 0, and 0 x inf would be nan.
            loss += np.einsum("nb,nb->b", w, np.where(w > 0, surprise, 0))
            scores *= (w / total)[:, None]
            scores[here, labels] -= w
            gradient += x.T @ scores.reshape(len(x), k * b)
        out = gradient.reshape(d1, k, b)
        out[:-1] += self.penalty * state[:-1]
        return loss + 0.5 * self.penalty * np.einsum("dkb,dkb->b", state[:-1], state[:-1]), out


@dataclass(frozen=True, slots=True)
class Curvature:
    """The Hessian of each class at one fit, without the intercept, as eigenvectors, so that any penalty can be added to it.

    `vectors` (k, d, d), `values` (k, d), `border` (k, d) between coefficients and intercept, `corner` (k,).
    """

    vectors: Floats
    values: Floats
    border: Floats
    corner: Floats

    @classmethod
    def at(cls, x: Floats, probabilities: Floats, weights: NDArray[np.float32]) -> Curvature:
        """The curvature on images `x` (n, d + 1) with class `probabilities` (n, k) and mean weight 1."""
        k = probabilities.shape[1]
        rows = np.arange(0, len(x), max(1, len(x) // (_CURVATURE_ROWS * x.shape[1])))
        vectors, values, borders, corners = [], [], [], []
        for p in probabilities[rows].T:
            # The factor k / (k - 1) spreads the curvature of k classes over the k - 1 directions in which they can differ.
            w = (weights[rows] * p * (1 - p) * (k / (k - 1)) / max(weights[rows].sum(), 1e-12)).astype(np.float32)
            hessian = (x[rows].T * w) @ x[rows]
            corner = max(float(hessian[-1, -1]), 1e-8)
            border = hessian[:-1, -1]
            value, vector = np.linalg.eigh(hessian[:-1, :-1] - np.outer(border, border) / corner)
            vectors.append(vector)
            values.append(np.maximum(value, 0))
            borders.append(border)
            corners.append(corner)
        return cls(np.stack(vectors), np.stack(values), np.stack(borders), np.array(corners, np.float32))

    def solve(self, gradient: State, penalty: NDArray[np.float32]) -> State:
        """The Newton step (d + 1, k, b) for a gradient, each refit with its own penalty."""
        g = gradient.transpose(1, 0, 2)
        inner = g[:, :-1] - self.border[:, :, None] * (g[:, -1:] / self.corner[:, None, None])
        turned = self.vectors.transpose(0, 2, 1) @ inner
        turned /= self.values[:, :, None] + np.maximum(penalty, 1e-8)
        step = np.empty_like(g)
        step[:, :-1] = self.vectors @ turned
        step[:, -1] = (g[:, -1] - np.einsum("kd,kdb->kb", self.border, step[:, :-1])) / self.corner[:, None]
        return np.ascontiguousarray(step.transpose(1, 0, 2))


def centre(
    x: Floats, labels: Ints, n_classes: int, weights: NDArray[np.float32], penalty: float
) -> tuple[State, Curvature]:
    """The fit to the mean weights, from which all refits start, and the curvature there."""
    shares = np.bincount(labels, weights, minlength=n_classes) / weights.sum()
    problem = Problem(
        x, labels, (weights / weights.sum())[:, None], np.array([penalty], np.float32), (shares == 0)[:, None]
    )
    first = Curvature.at(x, np.broadcast_to(shares.astype(np.float32), (len(x), n_classes)), weights)
    start, _ = minimise(problem, np.zeros((x.shape[1], n_classes, 1), np.float32), first, 1e-2)
    scores = x @ start[..., 0] + np.where(shares == 0, -np.inf, 0).astype(np.float32)
    p = np.exp(scores - scores.max(1, keepdims=True))
    curvature = Curvature.at(x, p / p.sum(1, keepdims=True), weights)
    start, _ = minimise(problem, start, curvature, 1e-3)
    return start, curvature


def minimise(
    problem: Problem, start: State, curvature: Curvature, tolerance: float
) -> tuple[State, NDArray[np.float64]]:
    """States (d + 1, k, b) with each loss within the share `tolerance` of its minimum, and the possible excess (b,)."""
    b = len(problem.penalty)
    state = np.repeat(start, b, axis=2)
    state[:, problem.absent] = 0
    gap = np.full(b, np.inf)
    open_ = np.arange(b)
    now, part = state, problem
    loss, gradient = part.loss(now)
    pairs: list[tuple[State, State, NDArray[np.float32]]] = []
    for _ in range(_MAX_ITERATIONS):
        step = _direction(gradient, pairs, curvature, part.penalty)
        slope = np.einsum("dkb,dkb->b", gradient, step).astype(float)
        gap[open_] = np.maximum(slope, 0) / 2
        state[:, :, open_] = now
        going = np.flatnonzero(slope / 2 > tolerance * loss)
        if not len(going):
            break
        if len(going) < len(open_):
            open_, part = open_[going], part.take(going)
            now, gradient, step = now[..., going], gradient[..., going], step[..., going]
            loss, slope = loss[going], slope[going]
            pairs = [(s[..., going], y[..., going], r[going]) for s, y, r in pairs]
        ahead, loss, new = _step(part, now, step, loss, slope)
        moved, turned = ahead - now, new - gradient
        along = np.einsum("dkb,dkb->b", moved, turned)
        pairs = [*pairs[-(_HISTORY - 1) :], (moved, turned, np.where(along > 1e-12, 1 / np.maximum(along, 1e-12), 0))]
        now, gradient = ahead, new
    state[:, :, open_] = now
    return state, gap


def _direction(
    gradient: State, pairs: list[tuple[State, State, NDArray[np.float32]]], curvature: Curvature,
    penalty: NDArray[np.float32],
) -> State:  # fmt: skip
    """Limited-memory BFGS around the inverse of the curvature, each refit with its own history (Nocedal 1980)."""
    q, alphas = gradient, []
    for moved, turned, rho in reversed(pairs):
        alpha = rho * np.einsum("dkb,dkb->b", moved, q)
        alphas.append(alpha)
        q = q - alpha * turned
    r = curvature.solve(q, penalty)
    for (moved, turned, rho), alpha in zip(pairs, reversed(alphas), strict=True):
        r += (alpha - rho * np.einsum("dkb,dkb->b", turned, r)) * moved
    return r


def _step(
    problem: Problem, state: State, step: State, loss: NDArray[np.float64], slope: NDArray[np.float64]
) -> tuple[State, NDArray[np.float64], State]:
    """Step along `step`, halved for each refit until its loss falls enough. A refit whose loss never does stays in place."""
    length = np.ones(len(loss), np.float32)
    ahead = state - step
    new_loss, gradient = problem.loss(ahead)
    for halving in range(1, 12):
        # In single precision, a loss this close to the previous one is equal to it.
        short = np.flatnonzero(new_loss > loss - _ENOUGH * length * slope + 1e-7 * np.abs(loss))
        if not len(short):
            break
        length[short] = 0.5**halving if halving < 11 else 0
        ahead[..., short] = state[..., short] - length[short] * step[..., short]
        new_loss[short], gradient[..., short] = problem.take(short).loss(ahead[..., short])
    return ahead, new_loss, gradient
