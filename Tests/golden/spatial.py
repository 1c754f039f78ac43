"""Convolution in 1 to 3 dimensions, pooling, resampling, windows and the norms of maps.

`spatial.safetensors` is laid out as `operations.safetensors` is. Maps are [N, …, C] with one to three spatial axes.
"""

import torch
import torch.nn.functional as F
import torchvision

from .cases import Cases, write_cases


def first(x):
    """Channels from last to second."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def write():
    cases = Cases(seed=31)
    for add in (convolutions, transposed, pooling, adaptive, resizing, sampling, regions, windows, norms):
        add(cases)
    return write_cases("spatial", cases)


def convolutions(cases: Cases) -> None:
    # name, input, out channels, kernel, stride, padding, dilation, groups, bias
    table = [
        ("1d", (2, 9, 3), 4, (3,), 2, 1, 1, 1, True),
        ("1d_dilated_groups", (1, 11, 4), 6, (2,), 1, 2, 3, 2, False),
        ("1d_pointwise", (2, 5, 3), 2, (1,), 1, 0, 1, 1, True),
        ("1d_depthwise", (2, 7, 5), 5, (4,), 1, 2, 1, 5, True),
        ("3d", (1, 4, 5, 3, 2), 3, (3, 3, 3), 1, 1, 1, 1, True),
        ("3d_strided", (2, 5, 4, 6, 2), 4, (2, 3, 1), 2, (0, 1, 0), 1, 2, False),
        ("3d_dilated", (1, 5, 6, 5, 1), 2, (2, 2, 3), 1, 2, 2, 1, True),
        ("2d_strided_wide", (1, 3, 4, 64), 2, (3, 3), 2, 1, 1, 1, False),
    ]
    functions = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
    for name, shape, features, kernel, stride, padding, dilation, groups, bias in table:
        axes = len(kernel)
        weight = cases.normal(features, shape[-1] // groups, *kernel, scale=0.5)
        inputs = [cases.normal(*shape), weight] + ([cases.normal(features)] if bias else [])

        def convolve(x, weight, bias=None):
            return last(functions[axes](first(x), weight, bias, stride, padding, dilation, groups))

        attributes = {
            "stride": [stride] * axes,
            "padding": list(padding) if isinstance(padding, tuple) else [padding] * axes,
            "dilation": [dilation] * axes,
            "groups": groups,
        }
        cases.add(f"convolution_{name}", "convolution", convolve, inputs, attributes)


def transposed(cases: Cases) -> None:
    # name, input, out channels, kernel, stride, padding, output padding, dilation, groups, bias
    table = [
        ("1d", (2, 5, 3), 4, (3,), 2, 1, 1, 1, 1, True),
        ("1d_one_pixel", (1, 1, 2), 3, (4,), 3, 0, 2, 1, 1, False),
        ("2d", (2, 4, 3, 3), 2, (3, 3), 2, 1, 1, 1, 1, True),
        ("2d_groups", (1, 3, 4, 4), 6, (2, 3), 1, 0, 0, 2, 2, True),
        ("2d_plain", (2, 3, 3, 2), 3, (2, 2), 2, 0, 0, 1, 1, False),
        ("2d_depthwise", (1, 4, 5, 3), 3, (3, 3), 1, 1, 0, 1, 3, True),
        ("3d", (1, 3, 2, 4, 2), 3, (2, 3, 2), 2, 1, 1, 1, 1, True),
        ("3d_dilated", (2, 2, 3, 2, 2), 2, (2, 2, 2), 1, 1, 0, 2, 2, False),
    ]
    functions = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
    for name, shape, features, kernel, stride, padding, extra, dilation, groups, bias in table:
        axes = len(kernel)
        weight = cases.normal(shape[-1], features // groups, *kernel, scale=0.5)
        inputs = [cases.normal(*shape), weight] + ([cases.normal(features)] if bias else [])

        def convolve(x, weight, bias=None):
            return last(functions[axes](first(x), weight, bias, stride, padding, extra, groups, dilation))

        attributes = {
            "stride": [stride] * axes, "padding": [padding] * axes, "outputPadding": [extra] * axes,
            "dilation": [dilation] * axes, "groups": groups,
        }  # fmt: skip
        cases.add(f"transposedConvolution_{name}", "transposedConvolution", convolve, inputs, attributes)


def pooling(cases: Cases) -> None:
    maximum = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
    average = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
    # name, input, kernel, stride, padding, rounding up
    for name, shape, kernel, stride, padding, up in (
        ("1d", (2, 7, 3), [3], [2], [1], False),
        ("1d_up", (2, 8, 2), [3], [2], [0], True),
        ("2d_up", (2, 6, 7, 3), [3, 2], [2, 2], [1, 0], True),
        ("2d_up_exact", (1, 7, 7, 2), [3, 3], [2, 2], [0, 0], True),
        ("2d_up_behind", (1, 5, 3, 2), [2, 2], [3, 3], [1, 1], True),
        ("3d", (1, 4, 5, 3, 2), [2, 3, 2], [2, 1, 2], [0, 1, 1], False),
        ("3d_up", (2, 4, 3, 5, 2), [3, 2, 2], [2, 2, 2], [1, 1, 0], True),
    ):
        attributes = {"kernel": kernel, "stride": stride, "padding": padding, "roundingUp": up, "dilation": [1]}
        cases.add(
            f"maxPool_{name}", "maxPool",
            lambda x: last(maximum[len(kernel)](first(x), kernel, stride, padding, ceil_mode=up)),
            [cases.distinct(*shape)], attributes,
        )  # fmt: skip
        for counts in (True, False):
            cases.add(
                f"averagePool_{name}{'' if counts else '_without_padding'}", "averagePool",
                lambda x: last(average[len(kernel)](first(x), kernel, stride, padding, up, counts)),
                [cases.normal(*shape)], {**attributes, "countsPadding": counts},
            )  # fmt: skip
    cases.add(
        "maxPool_2d_dilated", "maxPool", lambda x: last(F.max_pool2d(first(x), 3, 1, 1, 2)),
        [cases.distinct(1, 7, 6, 2)],
        {"kernel": [3], "stride": [1], "padding": [1], "roundingUp": False, "dilation": [2]},
    )  # fmt: skip


def adaptive(cases: Cases) -> None:
    average = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
    maximum = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
    for name, shape, size in (
        ("1d", (2, 7, 3), [3]), ("1d_even", (1, 6, 2), [2]), ("1d_larger", (1, 2, 2), [3]), ("2d", (2, 7, 5, 3), [3, 2]),
        ("2d_one", (2, 3, 5, 2), [1, 1]), ("2d_even", (1, 6, 4, 2), [3, 2]), ("3d", (1, 5, 3, 4, 2), [2, 2, 3]),
    ):  # fmt: skip
        cases.add(
            f"adaptiveAveragePool_{name}", "adaptiveAveragePool",
            lambda x: last(average[len(size)](first(x), size)), [cases.normal(*shape)], {"size": size},
        )  # fmt: skip
        cases.add(
            f"adaptiveMaxPool_{name}", "adaptiveMaxPool",
            lambda x: last(maximum[len(size)](first(x), size)), [cases.distinct(*shape)], {"size": size},
        )  # fmt: skip


def resizing(cases: Cases) -> None:
    modes = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}, "cubic": {2: "bicubic"}}
    shapes = {
        "up": ((2, 3, 4, 2), [7, 5]), "down": ((1, 7, 9, 2), [3, 4]), "mixed": ((1, 5, 2, 3), [2, 6]),
        "same": ((1, 3, 4, 2), [3, 4]), "one_pixel": ((2, 1, 1, 2), [3, 2]), "to_one": ((1, 4, 5, 2), [1, 1]),
        "1d": ((2, 5, 3), [8]), "1d_down": ((1, 9, 2), [4]), "3d": ((1, 3, 2, 4, 2), [4, 5, 3]),
    }  # fmt: skip
    for name, (shape, size) in shapes.items():
        axes = len(size)
        options = [("nearest", "nearest", None, False)] if name != "one_pixel" else []
        if name in ("down", "mixed", "1d"):
            options.append(("nearestExact", "nearest-exact", None, False))
        for kind, names in modes.items():
            if axes in names:
                options += [(kind, names[axes], aligned, False) for aligned in (False, True)]
                if axes == 2:
                    options.append((kind, names[axes], False, True))
        for kind, mode, aligned, antialiased in options:
            label = f"resize_{name}_{kind}{'_aligned' if aligned else ''}{'_antialiased' if antialiased else ''}"
            cases.add(
                label, "resize",
                lambda x: last(F.interpolate(first(x), size, mode=mode, align_corners=aligned, antialias=antialiased)),
                [cases.normal(*shape)],
                {"size": size, "kind": kind, "aligned": bool(aligned), "antialiased": antialiased},
            )  # fmt: skip


def sampling(cases: Cases) -> None:
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border", "reflection"):
            for aligned in (False, True):
                # Some points lie outside, some far outside.
                grid = cases.normal(2, 3, 4, 2, scale=1.1)
                grid[0, 0, 0] = torch.tensor([3.75, -5.25])
                cases.add(
                    f"gridSample_{mode}_{padding}{'_aligned' if aligned else ''}", "gridSample",
                    lambda x, g: last(F.grid_sample(first(x), g, mode, padding, aligned)),
                    [cases.normal(2, 4, 5, 2), grid],
                    {"mode": mode, "padding": padding, "aligned": aligned},
                )  # fmt: skip
    cases.add(
        "gridSample_one_pixel", "gridSample",
        lambda x, g: last(F.grid_sample(first(x), g, "bilinear", "reflection", False)),
        [cases.normal(1, 1, 2, 2), cases.normal(1, 2, 2, 2)],
        {"mode": "bilinear", "padding": "reflection", "aligned": False},
    )  # fmt: skip
    for aligned in (False, True):
        for height, width in ((3, 4), (2, 2)):
            cases.add(
                f"affineGrid_{height}x{width}{'_aligned' if aligned else ''}", "affineGrid",
                lambda theta: F.affine_grid(theta, [2, 1, height, width], aligned),
                [cases.normal(2, 2, 3)], {"size": [height, width], "aligned": aligned},
            )  # fmt: skip


def regions(cases: Cases) -> None:
    boxes = torch.tensor([
        [0, 0.5, 1.25, 6.5, 5.75], [1, -2.0, -1.5, 3.25, 4.0], [0, 4.0, 3.0, 12.0, 9.5], [1, 2.5, 2.5, 2.75, 3.0],
        [0, 20.0, 20.0, 24.0, 24.0],
    ]).double()  # fmt: skip
    for aligned in (False, True):
        for ratio in (-1, 2):
            for scale, size in ((1.0, (3, 2)), (0.5, (2, 2))):
                cases.add(
                    f"roiAlign_{size[0]}x{size[1]}_at_{scale}_ratio_{ratio}{'_aligned' if aligned else ''}", "roiAlign",
                    lambda x, b: last(torchvision.ops.roi_align(first(x).contiguous(), b, size, scale, ratio, aligned)),
                    [cases.normal(2, 7, 8, 2), boxes],
                    {"size": list(size), "scale": scale, "ratio": ratio, "aligned": aligned}, frozen=(1,),
                )  # fmt: skip


def windows(cases: Cases) -> None:
    # name, map, kernel, stride, padding, dilation
    for name, shape, kernel, stride, padding, dilation in (
        ("3x3", (2, 5, 4, 2), (3, 3), (1, 1), (1, 1), (1, 1)), ("apart", (1, 6, 4, 3), (2, 2), (2, 2), (0, 0), (1, 1)),
        ("dilated", (1, 6, 7, 2), (2, 3), (2, 1), (1, 2), (2, 2)), ("gaps", (1, 7, 7, 1), (2, 2), (3, 3), (0, 0), (1, 1)),
        ("one", (1, 1, 1, 1), (1, 1), (1, 1), (0, 0), (1, 1)),
    ):  # fmt: skip
        attributes = {
            "kernel": list(kernel), "stride": list(stride), "padding": list(padding), "dilation": list(dilation),
            "size": list(shape[1:3]),
        }  # fmt: skip
        x = cases.normal(*shape)
        columns = F.unfold(first(x), kernel, dilation, padding, stride)
        cases.add(
            f"unfold_{name}", "unfold", lambda x: last(F.unfold(first(x), kernel, dilation, padding, stride)), [x],
            attributes,
        )  # fmt: skip
        cases.add(
            f"fold_{name}", "fold", lambda c: last(F.fold(first(c), shape[1:3], kernel, dilation, padding, stride)),
            [cases.normal(shape[0], columns.shape[2], columns.shape[1])], attributes,
        )  # fmt: skip
    for factor in (1, 2, 3):
        cases.add(
            f"pixelShuffle_{factor}", "pixelShuffle", lambda x: last(F.pixel_shuffle(first(x), factor)),
            [cases.normal(2, 2, 3, 2 * factor**2)], {"factor": factor},
        )  # fmt: skip
        cases.add(
            f"pixelUnshuffle_{factor}", "pixelUnshuffle", lambda x: last(F.pixel_unshuffle(first(x), factor)),
            [cases.normal(2, 2 * factor, 3 * factor, 2)], {"factor": factor},
        )  # fmt: skip


def norms(cases: Cases) -> None:
    for name, shape, groups in (
        ("2d", (2, 3, 5, 6), 3), ("one_group", (2, 4, 3, 4), 1), ("each_channel", (1, 3, 3, 4), 4), ("1d", (2, 7, 4), 2),
        ("3d", (1, 2, 3, 2, 4), 2), ("rows", (3, 6), 2), ("wide", (1, 9, 8, 4), 2),
    ):  # fmt: skip
        cases.add(
            f"groupNorm_{name}", "groupNorm",
            lambda x, w, b: last(F.group_norm(first(x), groups, w, b, 1e-5)),
            [cases.normal(*shape, shift=0.5), cases.normal(shape[-1]), cases.normal(shape[-1])],
            {"groups": groups, "epsilon": 1e-5},
        )  # fmt: skip
    # As group norm: F.instance_norm of torch 2.15 misreads gradients that come channels-last in three dimensions.
    for name, shape in (("2d", (2, 3, 5, 3)), ("1d", (2, 7, 4)), ("3d", (1, 2, 3, 2, 2))):
        cases.add(
            f"instanceNorm_{name}", "instanceNorm",
            lambda x, w, b: last(F.group_norm(first(x), x.shape[-1], w, b, 1e-5)),
            [cases.normal(*shape, shift=0.5), cases.normal(shape[-1]), cases.normal(shape[-1])], {"epsilon": 1e-5},
        )  # fmt: skip
    for shape in ((3, 8), (2, 3, 21), (1, 1, 2), (2, 40)):
        cases.add(
            f"rmsNorm_{'x'.join(map(str, shape))}", "rmsNorm",
            lambda x, w: F.rms_norm(x, (shape[-1],), w, 1e-6),
            [cases.normal(*shape, shift=0.5), cases.normal(shape[-1])], {"epsilon": 1e-6},
        )  # fmt: skip
    for name, shape in (("1d", (3, 5, 4)), ("3d", (2, 2, 3, 2, 3)), ("rows", (7, 5))):
        channels = shape[-1]
        x, scale, shift = cases.normal(*shape, shift=0.3), cases.normal(channels), cases.normal(channels)
        cases.add(
            f"batchNorm_{name}", "batchNormInference",
            lambda x, s, b, m, v: last(F.batch_norm(first(x), m, v, s, b, False, 0.1, 1e-5)),
            [x, scale, shift, cases.normal(channels), cases.positive(channels)], {"epsilon": 1e-5}, frozen=(3, 4),
        )  # fmt: skip
        cases.add(
            f"batchNorm_{name}_training", "batchNormTraining",
            lambda x, s, b: last(F.batch_norm(first(x), None, None, s, b, True, 0.1, 1e-5)),
            [x, scale, shift], {"epsilon": 1e-5},
        )  # fmt: skip
