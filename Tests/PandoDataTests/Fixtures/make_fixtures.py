"""Makes the picture files that the decoding tests read, with Pillow. Run here: python3 make_fixtures.py

Made with Pillow 13.0. Every picture shows the same four quarters (red, green / blue, white), or the grey ones
(0, 85 / 170, 255), so that a test can name the colour it expects at each corner.
"""

import io

from PIL import Image, ImageCms

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(colors, mode="RGB", size=(32, 24)):
    image = Image.new(mode, size)
    width, height = size[0] // 2, size[1] // 2
    for index, color in enumerate(colors):
        left, top = (index % 2) * width, (index // 2) * height
        image.paste(color, (left, top, left + width, top + height))
    return image


rgb = quarters([RED, GREEN, BLUE, WHITE])
rgb.save("rgb.png")
rgb.save("rgb.webp", lossless=True)
rgb.save("rgb.gif")
rgb.save("rgb.tif", compression="tiff_lzw")
rgb.save("rgb.avif", quality=100, subsampling="4:4:4")
rgb.save("progressive.jpg", quality=95, subsampling=0, progressive=True)
rgb.convert("CMYK").save("cmyk.jpg", quality=98, subsampling=0)
rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=4).save("palette.png")

# Upright they all show `rgb`: the pixels are stored turned, the tag says how to turn them back.
turned = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
for orientation, method in turned.items():
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = rgb if method is None else rgb.transpose(method)
    stored.save(f"orientation{orientation}.jpg", quality=95, subsampling=0, exif=exif)

# Large enough to shrink inside the JPEG decoder, and turned.
large = quarters([RED, GREEN, BLUE, WHITE], size=(512, 384))
exif = Image.Exif()
exif[0x0112] = 6
large.transpose(Image.Transpose.ROTATE_90).save("large.jpg", quality=80, exif=exif)

grey = quarters([0, 85, 170, 255], "L")
grey.save("grey.png")
grey.save("grey.jpg", quality=95)
quarters([0, 85 * 257, 170 * 257, 65535], "I;16").save("grey16.png")

# Transparent black top right, half transparent red top left.
rgba = quarters([(255, 0, 0, 128), (0, 0, 0, 0), (0, 0, 255, 255), (0, 0, 0, 255)], "RGBA")
rgba.save("alpha.png")
quarters([(0, 128), (0, 0), (128, 255), (0, 255)], "LA").save("greyalpha.png")

# Pixels in a space whose red and green are exchanged: a decoder that applies the profile sees `rgb` with red and
# green exchanged back.
lcms_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
swapped = bytearray(lcms_profile)
swapped[24:36] = bytes(12)  # the time at which it was made
count = int.from_bytes(swapped[128:132], "big")
places = {}
for entry in range(count):
    at = 132 + 12 * entry
    places[bytes(swapped[at:at + 4])] = at
red, green = places[b"rXYZ"], places[b"gXYZ"]
swapped[red + 4:red + 12], swapped[green + 4:green + 12] = swapped[green + 4:green + 12], swapped[red + 4:red + 12]
quarters([GREEN, RED, BLUE, WHITE]).save("icc.png", icc_profile=bytes(swapped))
rgb.save("badicc.png", icc_profile=b"this is no profile" * 10)

buffer = io.BytesIO()
Image.effect_noise((64, 64), 80).convert("RGB").save(buffer, "JPEG", quality=90)
open("truncated.jpg", "wb").write(buffer.getvalue()[: len(buffer.getvalue()) // 2])

# What Pillow makes of a picture with detail, to hold our resizing against.
detail = Image.merge("RGB", [Image.radial_gradient("L").resize((150, 100)).rotate(30 * turn) for turn in range(3)])
detail.putpixel((75, 50), WHITE)
detail.save("detail.png")
detail.resize((50, 40), Image.Resampling.BILINEAR).save("detail-bilinear.png")
detail.resize((50, 40), Image.Resampling.BICUBIC).save("detail-bicubic.png")
detail.resize((50, 40), Image.Resampling.LANCZOS).save("detail-lanczos.png")
