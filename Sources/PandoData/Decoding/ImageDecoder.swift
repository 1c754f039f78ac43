import CImaging
import Foundation

/// Where an example's picture comes from.
public enum ImageSource: Sendable {
    case file(URL)
    /// A file's bytes, as they come with a request. The name is for messages.
    case bytes(Data, name: String)
    /// Drawn on demand. Two sources with one `key` draw the same picture.
    case rendered(key: String, @Sendable () -> Image)

    /// The path, the name or the key, for messages.
    public var name: String {
        switch self {
        case .file(let url): url.path
        case .bytes(_, let name): name
        case .rendered(let key, _): key
        }
    }
}

/// What an image's header says; its pixels need not have been decoded.
public struct ImageHeader: Sendable, Hashable {
    /// Size after the EXIF orientation is applied.
    public var size: PixelSize
    /// Whether rows can be decoded one after another, so that memory does not grow with the height.
    public var streams: Bool
}

/// Reads image files as upright 8-bit sRGB, transparent pixels over white, at the size that is wanted.
///
/// Formats: PNG, JPEG, WebP, GIF (first frame), TIFF, HEIF and AVIF. Grey, palette, 16-bit and CMYK images become
/// sRGB; an embedded colour profile is applied, or left aside if it does not fit the pixels. Only a whole image is an
/// image: one that breaks off or is damaged throws, whatever part could have been shown.
///
/// The header is read first and held against the limits. Rows then stream through libvips, alpha is flattened, and a
/// resampler in Pillow's arithmetic scales them as they come, so that a network sees the pixels it was trained on,
/// whatever the size of the file. For PNG more than half of the time is zlib's. Large JPEGs shrink inside their
/// decoder.
///
/// Each decode runs on the calling thread; any number may run at once.
/// - Cost: 1.3 ms for a 300 x 300 PNG; about 80 megapixels a second. Memory holds some hundred rows of the source.
public struct ImageDecoder: Sendable {
    /// Most pixels that an image may have.
    public var pixelLimit: Int
    /// Most pixels of an image that its format forces to hold in memory whole: interlaced PNG, progressive JPEG,
    /// WebP, GIF, TIFF, HEIF.
    public var heldPixelLimit: Int

    public init(pixelLimit: Int = 1_000_000_000, heldPixelLimit: Int = 100_000_000) {
        self.pixelLimit = pixelLimit
        self.heldPixelLimit = heldPixelLimit
    }

    /// Reads the header only, and holds it against the limits.
    public func header(of url: URL) throws(ImageError) -> ImageHeader {
        try OpenedImage(file: url, limits: self).header
    }

    /// The whole image at its own size.
    public func image(at url: URL) throws(ImageError) -> Image {
        let opened = try OpenedImage(file: url, limits: self)
        return try opened.rendered(Geometry(whole: opened.header.size, interpolation: .bilinear))
    }

    /// The image at the size and crop that `preprocessing` asks for.
    public func image(_ source: ImageSource, fittedTo preprocessing: Preprocessing) throws(ImageError) -> Image {
        switch source {
        case .rendered(_, let draw):
            return try draw().fitted(to: preprocessing)
        case .file(let url):
            return try OpenedImage(file: url, limits: self).fitted(to: preprocessing)
        case .bytes(let bytes, let name):
            return try OpenedImage(bytes: bytes, name: name, limits: self).fitted(to: preprocessing)
        }
    }
}

extension OpenedImage {
    fileprivate func fitted(to preprocessing: Preprocessing) throws(ImageError) -> Image {
        let fit = preprocessing.fit(of: header.size)
        return fit.padded(try rendered(fit.geometry))
    }
}

extension Image {
    /// This image at the size and crop that `preprocessing` asks for.
    public func fitted(to preprocessing: Preprocessing) throws(ImageError) -> Image {
        let fit = preprocessing.fit(of: PixelSize(width: width, height: height))
        if fit.geometry == Geometry(whole: fit.geometry.scaled, interpolation: preprocessing.interpolation),
            fit.geometry.scaled == PixelSize(width: width, height: height)
        {
            return fit.padded(self)
        }
        return fit.padded(try OpenedImage.rendered(self, fit.geometry))
    }
}

/// Which part of an image is wanted at what size: it is scaled, then cut.
struct Geometry: Hashable {
    /// Size of the whole image after scaling.
    var scaled: PixelSize
    /// The rectangle to cut out of the scaled image.
    var cropLeft, cropTop: Int
    var crop: PixelSize
    var interpolation: Preprocessing.Interpolation

    /// Part of a scaled image.
    init(
        scaled: PixelSize, cropLeft: Int, cropTop: Int, crop: PixelSize, interpolation: Preprocessing.Interpolation
    ) {
        self.scaled = scaled
        (self.cropLeft, self.cropTop, self.crop) = (cropLeft, cropTop, crop)
        self.interpolation = interpolation
    }

    /// All of an image, scaled to `size`.
    init(whole size: PixelSize, interpolation: Preprocessing.Interpolation) {
        self.init(scaled: size, cropLeft: 0, cropTop: 0, crop: size, interpolation: interpolation)
    }
}
