"""The parameter lists of well-known models, from the few numbers of their architecture."""

from math import prod


def resnet50(classes=1000):
    """ResNet-50 (arXiv 1512.03385), as in torchvision: 25,557,032 parameters."""

    def convolution(inputs, outputs, size):  # with its batch norm
        return [(outputs, inputs, size, size), (outputs,), (outputs,)]

    shapes = convolution(3, 64, 7)
    inputs = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            shapes += convolution(inputs, width, 1) + convolution(width, width, 3) + convolution(width, 4 * width, 1)
            if block == 0:  # the shortcut changes width
                shapes += convolution(inputs, 4 * width, 1)
            inputs = 4 * width
    return shapes + [(classes, inputs), (classes,)]


def gpt2(width=768, layers=12, vocabulary=50257, positions=1024):
    """GPT-2 124M, the head tied to the embedding: 124,439,808 parameters."""
    norm = [(width,), (width,)]
    attention = [(width, 3 * width), (3 * width,), (width, width), (width,)]
    feed_forward = [(width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    return [(vocabulary, width), (positions, width)] + layers * (norm + attention + norm + feed_forward) + norm


def llama_1b(width=2048, layers=16, vocabulary=128256, key_width=512, hidden=8192):
    """Llama 3.2 1B, the head tied to the embedding: 1,235,814,400 parameters."""
    attention = [(width, width), (key_width, width), (key_width, width), (width, width)]
    feed_forward = [(hidden, width), (hidden, width), (width, hidden)]
    return [(vocabulary, width)] + layers * (attention + feed_forward + [(width,), (width,)]) + [(width,)]


MODELS = {"resnet50": resnet50, "gpt2": gpt2, "llama_1b": llama_1b}


def count(shapes):
    return sum(prod(shape) for shape in shapes)
