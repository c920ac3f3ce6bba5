"""The interface of pytorch_optimizer: optimizers by name."""

import inspect
import math

import pytest
import torch
from support import CLASS_LIST, loss_of, model, train

import optim


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(5, 4)
        self.norm = torch.nn.LayerNorm(4)
        self.out = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.out(self.norm(self.fc(x)))


def test_supported_optimizers():
    names = optim.get_supported_optimizers()
    assert names == sorted(c.__name__.lower() for c in CLASS_LIST)
    assert optim.get_supported_optimizers("adam*") == [n for n in names if n.startswith("adam")]
    assert optim.get_supported_optimizers(["*shampoo", "sgd"]) == ["scalableshampoo", "sgd", "shampoo"]
    assert optim.get_supported_optimizers("nothing*") == []


@pytest.mark.parametrize("chosen", CLASS_LIST, ids=lambda c: c.__name__)
def test_load_optimizer_by_any_spelling(chosen):
    for name in (chosen.__name__, chosen.__name__.lower(), chosen.rule.name, chosen.rule.title, chosen.rule.name.upper()):
        assert optim.load_optimizer(name) is chosen


@pytest.mark.parametrize("name", ["asam", "pcgrad", "lookahead", "adan2", ""])
def test_names_that_are_none(name):
    with pytest.raises(NotImplementedError, match="there is no optimizer"):
        optim.load_optimizer(name)


@pytest.mark.parametrize("name", optim.get_supported_optimizers())
@pytest.mark.parametrize("weight_decay", [0.0, 1e-3])
def test_create_optimizer(name, weight_decay):
    """With options that not all have, as a loop over names gives them."""
    made = Network()
    optimizer = optim.create_optimizer(made, name, lr=1e-3, weight_decay=weight_decay, eps=1e-8, k=7, num_iterations=10)
    assert type(optimizer) is optim.load_optimizer(name)
    train(made, optimizer, 3)
    if "k" in optimizer.options.defaults:
        assert optimizer.param_groups[0]["k"] == 7
    if weight_decay > 0 and "weight_decay" in optimizer.options.defaults:
        assert [group["weight_decay"] for group in optimizer.param_groups] == [weight_decay, 0.0]
        assert [len(group["params"]) for group in optimizer.param_groups] == [2, 4]


def test_create_optimizer_with_lookahead():
    made = model()
    optimizer = optim.create_optimizer(made, "adamp", use_lookahead=True, k=3, alpha=0.7)
    assert isinstance(optimizer, optim.Lookahead)
    assert optimizer.optimizer.helpers["lookahead_k"] == 3
    train(made, optimizer, 2)
    for name in ("ranger", "ranger21"):
        with pytest.warns(UserWarning, match="already has a Lookahead variant"):
            assert not isinstance(optim.create_optimizer(made, name, use_lookahead=True), optim.Lookahead)


def test_create_optimizer_refuses_what_none_knows():
    with pytest.raises(TypeError, match="no optimizer has an option learning_rate"):
        optim.create_optimizer(model(), "adam", learning_rate=1)


def test_parameters_without_weight_decay():
    made = Network()
    names = {id(p): n for n, p in made.named_parameters()}

    def split(*args):
        return [[names[id(p)] for p in group["params"]] for group in optim.get_optimizer_parameters(*args)]

    assert split(made, 0.1) == [["fc.weight", "out.weight"], ["fc.bias", "norm.weight", "norm.bias", "out.bias"]]
    assert split(made, 0.1, ["LayerNorm"]) == [
        ["fc.weight", "fc.bias", "out.weight", "out.bias"],
        ["norm.weight", "norm.bias"],
    ]
    assert split(list(made.named_parameters()), 0.1, ["bias"])[0] == ["fc.weight", "norm.weight", "out.weight"]
    made.fc.weight.requires_grad_(False)
    assert split(made, 0.1)[0] == ["out.weight"]


def test_keyword_names_of_other_libraries():
    params = list(model().parameters())
    assert optim.Adam(params, amsgrad=True).param_groups[0]["ams_bound"] is True
    assert optim.AdamW(params, foreach=False, fused=None).defaults.keys() == optim.AdamW(params).defaults.keys()
    assert optim.Ranger21(params, num_iterations=5, amsgrad=False).param_groups[0]["amsgrad"] is False
    for chosen in CLASS_LIST:
        for hyper in (hyper for hyper in chosen.rule.hypers if hyper.words):
            for i, word in enumerate(hyper.words):  # as a word, and as the member of an enumeration
                assert chosen.options.row({**chosen.options.defaults, hyper.name: i}) == chosen.options.row(
                    {**chosen.options.defaults, hyper.name: word.upper()}
                )
    with pytest.raises(TypeError, match="no option amsgrad"):
        optim.SGD(params, amsgrad=True)


def test_the_classes_stand_where_those_of_pytorch_optimizer_stand():
    """A training program in its style."""
    made = model()
    for name, options in [
        ("AdaBelief", {"rectify": False, "weight_decouple": True}),
        ("AdamP", {"delta": 0.1, "wd_ratio": 0.1, "use_gc": True, "nesterov": True}),
        ("RAdam", {"n_sma_threshold": 5, "degenerated_to_sgd": False}),
        ("Ranger21", {"num_iterations": 100, "lookahead_merge_time": 5, "agc_clipping_value": 1e-2}),
        ("ScalableShampoo", {"start_preconditioning_step": 1, "preconditioning_compute_steps": 1, "block_size": 8}),
        ("PNM", {"betas": (0.9, 1.0)}),
        ("AdaPNM", {"betas": (0.9, 0.999, 1.0), "ams_bound": True}),
        ("Nero", {"beta": 0.99, "constraints": True}),
        ("LARS", {"trust_coefficient": 0.001, "momentum": 0.9}),
        ("MADGRAD", {"momentum": 0.9, "weight_decouple": False}),
        ("Lamb", {"pre_norm": True, "clamp": 10.0}),
        ("AdaBound", {"final_lr": 0.1, "gamma": 1e-3}),
        ("DiffGrad", {"adanorm": True}),
    ]:
        chosen = optim.load_optimizer(name)
        assert set(options) <= set(inspect.signature(chosen).parameters)
        optimizer = chosen(made.parameters(), lr=1e-3, **options)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
        train(made, optimizer, 5, scheduler=scheduler)
        assert math.isfinite(float(loss_of(made)))
