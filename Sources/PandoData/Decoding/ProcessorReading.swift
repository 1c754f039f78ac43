import PandoTensor

/// Follows the keys of a `preprocessor_config.json`, and notes what cannot be followed.
struct ProcessorReading {
    var settings: SettingsReader

    init(_ settings: SettingsReader) { self.settings = settings }

    /// Keys that are followed.
    private static let followed: Set = [
        "image_processor_type", "feature_extractor_type", "do_resize", "size", "default_to_square", "crop_pct",
        "do_center_crop", "crop_size", "crop_rounding", "do_pad", "pad_size", "pad_color", "resample", "do_rescale",
        "rescale_factor", "rescale_offset", "do_normalize", "image_mean", "image_std", "include_top",
    ]

    /// Keys that change no pixel here: pictures are RGB and laid out as the network reads them, labels are others'.
    private static let inert: Set = [
        "do_convert_rgb", "data_format", "input_data_format", "return_tensors", "device", "disable_grouping",
        "do_reduce_labels", "reduce_labels", "processor_class", "_processor_class", "auto_map",
        "_valid_processor_keys", "_valid_kwargs_names", "transformers_version",
    ]

    /// Keys that change nothing as long as they are switched off.
    private static let switches: Set = [
        "use_square_size", "do_flip_channel_order", "do_thumbnail", "do_align_long_axis", "do_grid_pinning",
        "do_image_splitting", "do_split_image", "do_color_quantize", "apply_ocr", "do_affine_transform",
    ]

    mutating func preprocessing() -> Preprocessing? {
        let type = settings.string("image_processor_type") ?? settings.string("feature_extractor_type")
        if type?.hasPrefix("TimmWrapperImageProcessor") == true {
            guard let nested = settings.value("pretrained_cfg") else {
                settings.problems.append("`image_processor_type` is \(type!), and `pretrained_cfg` is missing")
                return nil
            }
            var reading = TimmReading(SettingsReader(nested))
            let result = reading.preprocessing()
            settings.problems += reading.settings.problems
            return result
        }
        let kind = type.flatMap(ImageProcessorKind.init(named:))
        if let type, kind == nil {
            let known = ImageProcessorKind.names.joined(separator: ", ")
            settings.problems.append(
                "`image_processor_type` is \(type), which may have an arithmetic of its own; expected one of \(known)")
        }
        noteUnknownKeys()
        var crop = crop(kind)
        let resize = resize(kind, crop: &crop)
        let interpolation = interpolation(kind)
        let centering = centering()
        let colors = colors(kind)
        guard let resize, let interpolation, let colors, settings.problems.isEmpty else { return nil }
        var result = Preprocessing.clipart()
        result.resize = resize
        result.crop = crop
        result.centering = centering
        result.interpolation = interpolation
        result.rescale = Float(colors.rescale)
        result.mean = colors.mean.map(Float.init)
        result.deviation = colors.deviation.map(Float.init)
        if let problem = result.problem { settings.problems.append(problem) }
        return result
    }

    private mutating func noteUnknownKeys() {
        for member in settings.object.members ?? [] where !member.value.isNull {
            if Self.followed.contains(member.key) || Self.inert.contains(member.key) { continue }
            if Self.switches.contains(member.key), member.value.bool == false { continue }
            settings.problems.append("`\(member.key)` is not followed, and may change what the network is fed")
        }
    }

    // MARK: - Geometry

    private mutating func crop(_ kind: ImageProcessorKind?) -> PixelSize? {
        let size = settings.value("crop_size")
        // A file of no known kind that states a size means it.
        guard settings.bool("do_center_crop") ?? kind?.crops ?? (size != nil) else { return nil }
        guard let size else {
            settings.problems.append("`do_center_crop` is true and `crop_size` is missing")
            return nil
        }
        return sides(size, key: "crop_size")
    }

    private mutating func resize(_ kind: ImageProcessorKind?, crop: inout PixelSize?) -> Preprocessing.Resize? {
        let pads = settings.bool("do_pad") ?? false
        if pads && settings.value("pad_color") == nil {
            settings.problems.append(
                """
                `do_pad` without `pad_color` adds zeros at the right and the bottom after normalizing, which is not \
                followed
                """)
        }
        guard settings.bool("do_resize") ?? true else {
            if pads { settings.problems.append("`do_pad` without `do_resize` is not followed") }
            return .keep
        }
        guard let size = settings.value("size") else {
            settings.problems.append("`size` is missing, and `do_resize` is not false")
            return nil
        }
        let share = settings.number("crop_pct") ?? kind?.cropShare
        if let share, !(0.01...1).contains(share) {
            settings.problems.append("`crop_pct` is \(share); expected a share of 0.01...1")
            return nil
        }
        if let edge = SettingsReader.side(size) {
            let squares = settings.bool("default_to_square") ?? kind?.squares ?? (crop == nil && share == nil)
            return squares ? .squash(PixelSize(edge)) : shortest(edge, share: share, crop: &crop)
        }
        if size.array != nil { return sides(size, key: "size").map { .squash($0) } }
        var stated: [String: Int] = [:]
        for member in size.members ?? [] where !member.value.isNull {
            stated[member.key] = SettingsReader.side(member.value) ?? 0
        }
        switch stated.keys.sorted() {
        case ["height", "width"]: return sides(size, key: "size").map { .squash($0) }
        case ["cover_height", "cover_width"]:
            return .cover(PixelSize(width: stated["cover_width"]!, height: stated["cover_height"]!))
        case ["shortest_edge"]: return shortest(stated["shortest_edge"]!, share: share, crop: &crop)
        case ["longest_edge"] where pads: return padding(PixelSize(stated["longest_edge"]!))
        default:
            let found = size.members == nil ? "is \(size.kind)" : "has the keys \(stated.keys.sorted())"
            settings.problems.append(
                """
                `size` \(found); expected `height` and `width`, `shortest_edge`, or `longest_edge` with `do_pad` and \
                `pad_color`
                """)
            return nil
        }
    }

    /// The shortest edge; with ConvNeXt's share, larger by it and then cut, or squashed from 384 pixels on.
    private func shortest(_ edge: Int, share: Double?, crop: inout PixelSize?) -> Preprocessing.Resize {
        guard let share else { return .shortestEdge(edge) }
        if edge >= 384 { return .squash(PixelSize(edge)) }
        crop = PixelSize(edge)
        return .shortestEdge(Int(Double(edge) / share))
    }

    private mutating func padding(_ square: PixelSize) -> Preprocessing.Resize? {
        let frame = settings.value("pad_size").map { sides($0, key: "pad_size") } ?? square
        let fill = (settings.value("pad_color")?.array ?? []).compactMap { $0.integer.flatMap(UInt8.init(exactly:)) }
        if fill.count != 3 { settings.problems.append("`pad_color`: expected 3 values of 0...255") }
        guard let frame, fill.count == 3 else { return nil }
        return .pad(frame, fill: Color(red: fill[0], green: fill[1], blue: fill[2]))
    }

    /// A number for a square, a list of height and width, or both by name.
    private mutating func sides(_ size: JSON, key: String) -> PixelSize? {
        if let side = SettingsReader.side(size) { return PixelSize(side) }
        let listed = size.array ?? [size["height"], size["width"]].compactMap { $0 }
        let sides = listed.compactMap { SettingsReader.side($0) }
        if sides.count == 2 && listed.count == 2 { return PixelSize(width: sides[1], height: sides[0]) }
        settings.problems.append("`\(key)`: expected `height` and `width` of 1...16384, or one number for both")
        return nil
    }

    private mutating func centering() -> Preprocessing.Centering {
        guard let text = settings.string("crop_rounding") else { return .down }
        if let centering = Preprocessing.Centering(rawValue: text) { return centering }
        settings.problems.append("`crop_rounding` is \(text); expected down or even")
        return .down
    }

    private mutating func interpolation(_ kind: ImageProcessorKind?) -> Preprocessing.Interpolation? {
        let number = settings.integer("resample") ?? kind?.resample ?? 2
        let known = Preprocessing.Interpolation.allCases.first { $0.pillowNumber == number }
        if known == nil {
            settings.problems.append(
                """
                `resample` is \(number); expected 0 (nearest), 1 (Lanczos), 2 (bilinear), 3 (bicubic), 4 (box) or 5 \
                (Hamming)
                """)
        }
        return known
    }

    // MARK: - Colours

    private mutating func colors(_ kind: ImageProcessorKind?) -> (rescale: Double, mean: [Double], deviation: [Double])? {
        let rescales = settings.bool("do_rescale") ?? true
        let rescale = rescales ? settings.number("rescale_factor") ?? 1.0 / 255 : 1
        let offset = rescales && settings.bool("rescale_offset") ?? false ? 1.0 : 0
        let normalizes = settings.bool("do_normalize") ?? true
        let again = settings.bool("include_top") ?? kind?.normalizesTwice ?? false
        let (mean, deviation) = (settings.channels("image_mean"), settings.channels("image_std"))
        if normalizes && mean == nil && settings.problems.isEmpty {
            settings.problems.append("`do_normalize` is not false, and `image_mean` is missing")
        }
        if (normalizes || again) && deviation == nil && settings.problems.isEmpty {
            settings.problems.append("values are normalized, and `image_std` is missing")
        }
        // ((v · rescale − offset) − mean) / deviation, and divided once more: one mean and one deviation.
        var (one, by) = ([offset, offset, offset], [1.0, 1, 1])
        for channel in 0..<3 {
            if normalizes, let mean, let deviation {
                one[channel] += mean[channel]
                by[channel] *= deviation[channel]
            }
            if again, let deviation { by[channel] *= deviation[channel] }
        }
        return (rescale, one, by)
    }
}
