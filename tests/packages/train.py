"""A user's program: ten steps of AdamW on a least-squares problem; prints the loss before and after."""

import optim
import torch

target = torch.tensor([1, -2, 0.5, 3])
weights = torch.nn.Parameter(torch.zeros(4))
optimizer = optim.AdamW([weights], lr=0.1)


def loss():
    return ((weights - target) ** 2).sum()


before = loss()
for _ in range(10):
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()
print(f"loss {before:.4f} -> {loss():.4f}")
print(f"library {optim.path}")
