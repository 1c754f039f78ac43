// Running sums, products and extremes along an axis.

extension Tensor {
    /// For each element the sum of all up to and with it, along `axis` (`cumsum`).
    public func cumulativeSum(along axis: Int) -> Tensor {
        requireFloatingPoint("cumulative sum")
        return withLast(axis) { .applying(CumulativeSum(isReversed: false), to: $0) }
    }

    /// For each element the product of all up to and with it, along `axis` (`cumprod`).
    public func cumulativeProduct(along axis: Int) -> Tensor {
        requireFloatingPoint("cumulative product")
        return withLast(axis) { .applying(CumulativeProduct(), to: $0) }
    }

    /// For each element the largest of all up to and with it, along `axis`, and where that stands: `int64`
    /// (`cummax`). Of equals the last takes the gradient.
    public func cumulativeMax(along axis: Int) -> (values: Tensor, indices: Tensor) {
        runningExtreme(along: axis) { $0 >= $1 }
    }

    /// For each element the smallest of all up to and with it, along `axis`, and where that stands: `int64`
    /// (`cummin`). Of equals the last takes the gradient.
    public func cumulativeMin(along axis: Int) -> (values: Tensor, indices: Tensor) {
        runningExtreme(along: axis) { $0 <= $1 }
    }

    /// What is not a number beats everything.
    @inline(__always)
    private func runningExtreme(along axis: Int, _ isBetter: (Float, Float) -> Bool)
        -> (values: Tensor, indices: Tensor)
    {
        let indices = detached.withLast(axis) { rows in
            rows.transformRows { (row, output: UnsafeMutableBufferPointer<Int64>) in
                var best = 0
                for index in row.indices {
                    if isBetter(row[index], row[best]) || row[index].isNaN { best = index }
                    output[index] = Int64(best)
                }
            }
        }
        return (elements(at: indices, along: axis), indices)
    }
}

/// Running sums of each row, in double precision; from its end if `isReversed`.
struct CumulativeSum: Operation {
    let isReversed: Bool

    func forward(_ inputs: [Tensor]) -> Tensor {
        inputs[0].transformRows { (row, output: UnsafeMutableBufferPointer<Float>) in
            var sum = 0.0
            for step in row.indices {
                let index = isReversed ? row.count - 1 - step : step
                sum += Double(row[index])
                output[index] = Float(sum)
            }
        }.cast(to: inputs[0].elementType)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [CumulativeSum(isReversed: !isReversed).forward([gradient])]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

/// Running products of each row, in double precision.
struct CumulativeProduct: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor {
        inputs[0].transformRows { (row, output: UnsafeMutableBufferPointer<Float>) in
            var product = 1.0
            for index in row.indices {
                product *= Double(row[index])
                output[index] = Float(product)
            }
        }.cast(to: inputs[0].elementType)
    }

    /// Element `i` is in all products from the `i`th on: its gradient is the product of those before it, times
    /// `Σⱼ gⱼ · Π xₖ` over `j ≥ i` and `i < k ≤ j`, which is found from the end as `sᵢ = gᵢ + xᵢ₊₁ sᵢ₊₁`.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let input = saved.input(0)
        let width = input.shape[input.rank - 1]
        let result = input.cast(to: .float32).withScalars { values in
            gradient.cast(to: .float32).withScalars { incoming in
                Tensor(unsafeUninitialized: input.shape, of: Float.self) { output in
                    guard width > 0 else { return }
                    var before = [Double](repeating: 1, count: width)
                    for start in stride(from: 0, to: values.count, by: width) {
                        for index in 1..<Swift.max(width, 1) {
                            before[index] = before[index - 1] * Double(values[start + index - 1])
                        }
                        var after = 0.0
                        for index in (0..<width).reversed() {
                            let next = index + 1 < width ? Double(values[start + index + 1]) : 0
                            after = Double(incoming[start + index]) + next * after
                            output[start + index] = Float(before[index] * after)
                        }
                    }
                }
            }
        }
        return [result.cast(to: gradient.elementType)]
    }
}
