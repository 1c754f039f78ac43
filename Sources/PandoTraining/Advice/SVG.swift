import Foundation

/// The few elements of a picture in SVG that ours are made of.
enum SVG {
    /// A length or coordinate.
    static func number(_ value: Double) -> String { String(format: "%.1f", value) }

    /// Words, from `place` on the line that they stand on.
    static func text(_ text: String, at place: (x: Double, y: Double), _ style: String) -> String {
        #"<text x="\#(number(place.x))" y="\#(number(place.y))" \#(style)>\#(escaped(text))</text>"#
    }

    static func line(_ start: (x: Double, y: Double), _ end: (x: Double, y: Double), _ color: String) -> String {
        #"<line x1="\#(number(start.x))" y1="\#(number(start.y))" "#
            + #"x2="\#(number(end.x))" y2="\#(number(end.y))" stroke="\#(color)"/>"#
    }

    /// Text with the letters that SVG means otherwise.
    static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
    }
}
