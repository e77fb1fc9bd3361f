"""muon.py - the optimiser of every stage: Muon for weights of two and more dimensions, Adam for the rest.

Muon (K. Jordan, 2024): the momentum of a weight, seen as a matrix [out][in * kernel], is replaced by its nearest
orthogonal matrix, found by four Newton-Schulz steps, and scaled by 0.2 sqrt(longer side) so that learning rates mean
what they mean for Adam (Liu and others 2025, arXiv:2502.16982). Embeddings and vectors are no maps: Adam.
SPDX-License-Identifier: MIT
"""
import torch

MOMENTUM = .95
BETAS = (.9, .99)


def orthogonal(matrix, steps=4):
    """Singular values pushed towards 1 by X <- aX + (bA + cA^2)X with A = XX'."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix / (matrix.norm() + 1e-7)
    x = x.T if tall else x
    for _ in range(steps):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Groups: params, lr, adam (True: Adam for all of the group), weight_decay (of Muon's weights)."""

    def __init__(self, groups, weight_decay=0.):
        super().__init__(groups, dict(lr=0., adam=False, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    is_map = weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) >= 8
                    (self.turn if is_map and not group["adam"] else self.adam)(weight, group)

    def turn(self, weight, group):
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
        update = weight.grad.lerp(state["momentum"], MOMENTUM).reshape(weight.shape[0], -1)
        scale = group["lr"] * .2 * max(update.shape) ** .5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(orthogonal(update).reshape(weight.shape), alpha=-scale)

    def adam(self, weight, group):
        state, (fast, slow) = self.state[weight], BETAS
        if not state:
            state.update(mean=torch.zeros_like(weight), square=torch.zeros_like(weight), count=0)
        state["count"] += 1
        state["mean"].lerp_(weight.grad, 1 - fast)
        state["square"].mul_(slow).addcmul_(weight.grad, weight.grad, value=1 - slow)
        root = (state["square"] / (1 - slow ** state["count"])).sqrt() + 1e-8
        weight.addcdiv_(state["mean"] / (1 - fast ** state["count"]), root, value=-group["lr"])
