"""Convolution, pooling, normalisation, attention. Image tensors are [N, H, W, C]."""

import torch
import torch.nn.functional as F

from .cases import Cases, nchw, nhwc


def add(cases: Cases) -> None:
    convolutions(cases)
    pooling(cases)
    normalisation(cases)
    attention(cases)


def convolutions(cases: Cases) -> None:
    # name, input NHWC, out channels, kernel, stride, padding, dilation, groups, bias
    table = [
        ("1x1", (2, 5, 4, 3), 6, (1, 1), (1, 1), (0, 0), (1, 1), 1, True),
        ("3x3", (2, 5, 6, 3), 4, (3, 3), (1, 1), (1, 1), (1, 1), 1, True),
        ("3x3_no_bias", (1, 5, 5, 2), 3, (3, 3), (1, 1), (0, 0), (1, 1), 1, False),
        ("stride2_odd", (2, 7, 9, 3), 4, (3, 3), (2, 2), (1, 1), (1, 1), 1, True),
        ("stride2_even", (1, 8, 6, 3), 4, (3, 3), (2, 2), (1, 1), (1, 1), 1, False),
        ("dilated", (1, 9, 8, 2), 3, (3, 3), (1, 1), (2, 2), (2, 2), 1, True),
        ("rectangular", (1, 7, 8, 2), 3, (3, 5), (2, 1), (0, 2), (1, 1), 1, True),
        ("grouped", (2, 5, 5, 6), 4, (3, 3), (1, 1), (1, 1), (1, 1), 2, True),
        ("depthwise", (2, 7, 5, 5), 5, (3, 3), (1, 1), (1, 1), (1, 1), 5, True),
        ("depthwise_stride2", (1, 7, 9, 8), 8, (3, 3), (2, 2), (1, 1), (1, 1), 8, False),
        ("depthwise_5x5", (1, 6, 7, 3), 3, (5, 5), (2, 2), (2, 2), (1, 1), 3, False),
        ("depthwise_multiplied", (1, 5, 5, 3), 6, (3, 3), (1, 1), (1, 1), (1, 1), 3, True),
        ("single_pixel", (1, 1, 1, 1), 1, (3, 3), (1, 1), (1, 1), (1, 1), 1, True),
        ("whole_input", (2, 3, 3, 4), 2, (3, 3), (1, 1), (0, 0), (1, 1), 1, True),
    ]
    for name, shape, features, kernel, stride, padding, dilation, groups, bias in table:
        weight = cases.normal(features, shape[3] // groups, *kernel, scale=0.5)
        inputs = [cases.normal(*shape), weight] + ([cases.normal(features)] if bias else [])

        def convolve(x, weight, bias=None):
            return nhwc(F.conv2d(nchw(x), weight, bias, stride, padding, dilation, groups))

        attributes = {
            "stride": list(stride),
            "padding": list(padding),
            "dilation": list(dilation),
            "groups": groups,
            "bias": bias,
        }
        cases.add(f"conv2d_{name}", "conv2d", convolve, inputs, attributes)


def pooling(cases: Cases) -> None:
    for name, shape, kernel, stride, padding in (
        ("2x2", (2, 6, 4, 3), 2, 2, 0),
        ("3x3_stride2_odd", (1, 7, 9, 2), 3, 2, 1),
        ("overlapping", (1, 5, 5, 3), 3, 1, 1),
    ):
        attributes = {"kernel": [kernel] * 2, "stride": [stride] * 2, "padding": [padding] * 2}
        cases.add(
            f"maxPool2d_{name}", "maxPool2d", lambda x: nhwc(F.max_pool2d(nchw(x), kernel, stride, padding)),
            [cases.distinct(*shape)], attributes,
        )  # fmt: skip
        for counts_padding in (True, False):
            cases.add(
                f"averagePool2d_{name}{'' if counts_padding else '_without_padding'}",
                "averagePool2d",
                lambda x: nhwc(F.avg_pool2d(nchw(x), kernel, stride, padding, count_include_pad=counts_padding)),
                [cases.normal(*shape)],
                {**attributes, "countsPadding": counts_padding},
            )
    for shape, size in (((2, 7, 5, 3), (1, 1)), ((1, 7, 5, 2), (3, 2)), ((1, 4, 6, 2), (2, 3)), ((2, 1, 1, 4), (1, 1))):
        name = f"{'x'.join(map(str, shape))}_to_{size[0]}x{size[1]}"
        cases.add(
            f"adaptiveAveragePool2d_{name}", "adaptiveAveragePool2d",
            lambda x: nhwc(F.adaptive_avg_pool2d(nchw(x), size)), [cases.normal(*shape)], {"size": list(size)},
        )  # fmt: skip


def normalisation(cases: Cases) -> None:
    for name, shape in (("images", (2, 3, 5, 4)), ("one_pixel", (5, 1, 1, 3)), ("one_channel", (2, 3, 3, 1))):
        channels = shape[3]
        x, scale, shift = cases.normal(*shape, shift=0.3), cases.normal(channels), cases.normal(channels)
        mean, variance = cases.normal(channels), cases.positive(channels)
        cases.add(
            f"batchNorm_{name}", "batchNormInference",
            lambda x, s, b, m, v: nhwc(F.batch_norm(nchw(x), m, v, s, b, False, 0.1, 1e-5)),
            [x, scale, shift, mean, variance], {"epsilon": 1e-5}, frozen=(3, 4),
        )  # fmt: skip
        training = f"batchNorm_{name}_training"
        cases.add(
            training, "batchNormTraining",
            lambda x, s, b: nhwc(F.batch_norm(nchw(x), None, None, s, b, True, 0.1, 1e-5)),
            [x, scale, shift], {"epsilon": 1e-5, "momentum": 0.1},
        )  # fmt: skip
        running_mean, running_variance = mean.clone(), variance.clone()
        F.batch_norm(nchw(x), running_mean, running_variance, scale, shift, True, 0.1, 1e-5)
        cases.extra(training, "runningMeanBefore", mean)
        cases.extra(training, "runningVarianceBefore", variance)
        cases.extra(training, "runningMeanAfter", running_mean)
        cases.extra(training, "runningVarianceAfter", running_variance)
    for shape in ((3, 8), (2, 3, 5), (1, 1, 7)):
        channels = shape[-1]
        cases.add(
            f"layerNorm_{'x'.join(map(str, shape))}", "layerNorm",
            lambda x, s, b: F.layer_norm(x, (channels,), s, b, 1e-12),
            [cases.normal(*shape, shift=0.5), cases.normal(channels), cases.normal(channels)], {"epsilon": 1e-12},
        )  # fmt: skip


def attention(cases: Cases) -> None:
    """Inputs query, key, value [B, heads, tokens, features], then the mask (true: may be seen)."""
    padded = torch.tensor([[True, True, True, False, False], [True] * 5]).reshape(2, 1, 1, 5)
    for name, query, keys, mask in (
        ("plain", (2, 3, 4, 8), 4, None),
        ("cross", (1, 2, 3, 5), 6, None),
        ("one_token", (1, 1, 1, 4), 1, None),
        ("padding_mask", (2, 2, 5, 4), 5, padded),
        ("causal_mask", (1, 2, 5, 4), 5, torch.ones(5, 5).tril().bool().reshape(1, 1, 5, 5)),
    ):
        other = (*query[:2], keys, query[3])
        inputs = [cases.normal(*query), cases.normal(*other), cases.normal(*other)]
        if mask is not None:
            inputs.append(mask)
        cases.add(
            f"attention_{name}", "scaledDotProductAttention",
            lambda q, k, v, m=None: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
            inputs, {"scale": query[3] ** -0.5, "mask": mask is not None},
        )  # fmt: skip
