//! Answers of the query protocol.

use roxmltree::{Document, Node, ParsingOptions};

/// More nodes than a page of a thousand instances has.
const MAX_NODES: u32 = 4_000_000;

/// Reads a document. One that declares a type is refused: entities could grow.
pub(super) fn parse(text: &str) -> Result<Document<'_>, String> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|error| error.to_string())
}

/// The first element of a name in a node.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.tag_name().name() == name)
}

/// The text of such an element, where it has one.
pub(super) fn text(node: Node<'_, '_>, name: &str) -> Option<String> {
    let text = child(node, name)?.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The `item` elements of a set in a node.
pub(super) fn items<'a, 'i>(node: Node<'a, 'i>, set: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    let set = child(node, set);
    set.into_iter()
        .flat_map(|set| set.children())
        .filter(|node| node.tag_name().name() == "item")
}
