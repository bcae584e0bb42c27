//! Builds the syntax tree (`text/template/parse/parse.go` of Go).

mod pipeline;

use crate::ast::{Branch, Node, NodeKind, Source, Tree};
use crate::error::{ErrorKind, TemplateError};
use crate::lex::{Token, TokenKind, lex};
use crate::literal::unquote;
use std::sync::Arc;

/// How deeply actions and parentheses may nest: evaluation recurses as deeply.
const MAX_DEPTH: usize = 100;

/// Parses `text`; the first tree is the text itself, the others are its definitions.
pub(crate) fn parse(name: &str, text: &str, has_function: &dyn Fn(&str) -> bool) -> Result<Vec<Tree>, TemplateError> {
    let source = Arc::new(Source {
        name: name.to_owned(),
        text: text.to_owned(),
    });
    let mut parser = Parser {
        tokens: lex(text),
        next: 0,
        furthest: 0,
        source: source.clone(),
        has_function,
        variables: vec!["$".to_owned()],
        range_depth: 0,
        depth: 0,
        action_line: 0,
        definitions: Vec::new(),
    };
    let root = parser.template()?;
    let mut trees = vec![Tree {
        name: name.to_owned(),
        source,
        root: Arc::new(root),
    }];
    trees.append(&mut parser.definitions);
    Ok(trees)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    next: usize,
    /// The last token looked at, which is where Go reports an error.
    furthest: usize,
    source: Arc<Source>,
    has_function: &'a dyn Fn(&str) -> bool,
    variables: Vec<String>,
    range_depth: usize,
    depth: usize,
    /// The line on which the open action began; 0 outside actions.
    action_line: usize,
    definitions: Vec<Tree>,
}

/// What ended a list of nodes.
enum Ending {
    End,
    /// `{{else}}`, or `{{else if …` and `{{else with …` with the keyword still to come.
    Else,
}

impl Ending {
    fn shown(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

enum Piece {
    Node(Node),
    Ending(Ending),
}

type Parsed<T> = Result<T, TemplateError>;

impl Parser<'_> {
    fn error<T>(&self, message: impl std::fmt::Display) -> Parsed<T> {
        let position = self.tokens[self.furthest].position;
        let line = self.source.line(position);
        Err(TemplateError::new(
            ErrorKind::Parse,
            format!("template: {}:{line}: {message}", self.source.name),
        ))
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        if token.kind != TokenKind::Error {
            return self.error(format_args!("unexpected {} in {context}", token.shown()));
        }
        let line = self.source.line(token.position);
        if self.action_line == 0 || self.action_line == line {
            return self.error(&token.text);
        }
        let word = if token.text.ends_with(" action") {
            ""
        } else {
            " in action"
        };
        self.error(format_args!(
            "{}{word} started at {}:{}",
            token.text, self.source.name, self.action_line
        ))
    }

    fn peek(&mut self) -> &Token {
        self.furthest = self.furthest.max(self.next);
        &self.tokens[self.next]
    }

    /// The next token; the last one (end or error) is given again and again.
    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::LeftDelim => self.action_line = self.source.line(token.position),
            TokenKind::RightDelim => self.action_line = 0,
            _ => {}
        }
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn peek_non_space(&mut self) -> &Token {
        while self.peek().kind == TokenKind::Space {
            self.next += 1;
        }
        self.peek()
    }

    fn take_non_space(&mut self) -> Token {
        self.peek_non_space();
        self.take()
    }

    fn expect(&mut self, kind: TokenKind, context: &str) -> Parsed<Token> {
        let token = self.take_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(&token, context)
        }
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.error("actions are nested too deeply")
        } else {
            Ok(())
        }
    }

    /// A whole text, where `define` may stand at the top level.
    fn template(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        while self.peek().kind != TokenKind::Eof {
            if self.peek().kind == TokenKind::LeftDelim {
                let delimiter = self.next;
                self.take();
                if self.take_non_space().kind == TokenKind::Define {
                    self.definition()?;
                    continue;
                }
                self.next = delimiter;
            }
            match self.text_or_action()? {
                Piece::Node(node) => nodes.push(node),
                Piece::Ending(ending) => return self.error(format_args!("unexpected {}", ending.shown())),
            }
        }
        Ok(nodes)
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let name = self.template_name(CONTEXT)?;
        self.expect(TokenKind::RightDelim, CONTEXT)?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let outer_range = std::mem::take(&mut self.range_depth);
        let (root, ending) = self.list()?;
        (self.variables, self.range_depth) = (outer, outer_range);
        if let Ending::Else = ending {
            return self.error(format_args!("unexpected {} in {CONTEXT}", ending.shown()));
        }
        self.define(name, root)
    }

    fn define(&mut self, name: String, root: Vec<Node>) -> Parsed<()> {
        let tree = Tree {
            name,
            source: self.source.clone(),
            root: Arc::new(root),
        };
        match self.definitions.iter().position(|other| other.name == tree.name) {
            None => self.definitions.push(tree),
            Some(index) if self.definitions[index].is_empty() => self.definitions[index] = tree,
            Some(_) if tree.is_empty() => {}
            Some(_) => {
                let name = parapet_model::quote(&tree.name);
                return self.error(format_args!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn template_name(&mut self, context: &str) -> Parsed<String> {
        let token = self.take_non_space();
        match token.kind {
            TokenKind::String | TokenKind::RawString => match unquote(&token.text) {
                Some(name) => Ok(name),
                None => self.error("invalid syntax"),
            },
            _ => self.unexpected(&token, context),
        }
    }

    /// Nodes up to `{{end}}` or `{{else}}`.
    fn list(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        self.enter()?;
        let mut nodes = Vec::new();
        while self.peek_non_space().kind != TokenKind::Eof {
            match self.text_or_action()? {
                Piece::Node(node) => nodes.push(node),
                Piece::Ending(ending) => {
                    self.depth -= 1;
                    return Ok((nodes, ending));
                }
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Piece> {
        let token = self.take_non_space();
        match token.kind {
            TokenKind::Text => Ok(Piece::Node(Node {
                position: token.position,
                kind: NodeKind::Text(token.text),
            })),
            TokenKind::LeftDelim => self.action(),
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Piece> {
        let token = self.peek_non_space().clone();
        let word = token.kind;
        if !matches!(
            word,
            TokenKind::Block
                | TokenKind::Break
                | TokenKind::Continue
                | TokenKind::Else
                | TokenKind::End
                | TokenKind::If
                | TokenKind::Range
                | TokenKind::Template
                | TokenKind::With
        ) {
            let pipe = self.pipeline("command", TokenKind::RightDelim)?;
            return Ok(Piece::Node(Node {
                position: token.position,
                kind: NodeKind::Action(pipe),
            }));
        }
        self.take();
        Ok(match word {
            TokenKind::End => {
                self.expect(TokenKind::RightDelim, "end")?;
                Piece::Ending(Ending::End)
            }
            TokenKind::Else => {
                if !matches!(self.peek_non_space().kind, TokenKind::If | TokenKind::With) {
                    self.expect(TokenKind::RightDelim, "else")?;
                }
                Piece::Ending(Ending::Else)
            }
            TokenKind::Block => Piece::Node(self.block()?),
            TokenKind::Template => Piece::Node(self.template_call()?),
            TokenKind::Break | TokenKind::Continue => {
                let name = &token.text;
                let close = self.take_non_space();
                if close.kind != TokenKind::RightDelim {
                    return self.unexpected(&close, &format!("{{{{{name}}}}}"));
                }
                if self.range_depth == 0 {
                    return self.error(format_args!("{{{{{name}}}}} outside {{{{range}}}}"));
                }
                let kind = if word == TokenKind::Break {
                    NodeKind::Break
                } else {
                    NodeKind::Continue
                };
                Piece::Node(Node {
                    position: token.position,
                    kind,
                })
            }
            _ => Piece::Node(self.control(word)?),
        })
    }

    /// `if`, `with` and `range`, their keyword already taken.
    fn control(&mut self, word: TokenKind) -> Parsed<Node> {
        let context = match word {
            TokenKind::If => "if",
            TokenKind::With => "with",
            _ => "range",
        };
        self.enter()?;
        let scope = self.variables.len();
        let pipe = self.pipeline(context, TokenKind::RightDelim)?;
        let is_range = usize::from(word == TokenKind::Range);
        self.range_depth += is_range;
        let (list, ending) = self.list()?;
        self.range_depth -= is_range;
        let mut else_list = None;
        if let Ending::Else = ending {
            // `{{else if b}}` is `{{else}}{{if b}}` that shares the closing `{{end}}`.
            if word != TokenKind::Range && self.peek().kind == word {
                self.take();
                else_list = Some(vec![self.control(word)?]);
            } else {
                let (nodes, ending) = self.list()?;
                if let Ending::Else = ending {
                    return self.error(format_args!("expected end; found {}", ending.shown()));
                }
                else_list = Some(nodes);
            }
        }
        self.variables.truncate(scope);
        self.depth -= 1;
        let position = pipe.position;
        let branch = Branch { pipe, list, else_list };
        let kind = match word {
            TokenKind::If => NodeKind::If(branch),
            TokenKind::With => NodeKind::With(branch),
            _ => NodeKind::Range(branch),
        };
        Ok(Node { position, kind })
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let position = self.peek_non_space().position;
        let name = self.template_name(CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, TokenKind::RightDelim)?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let outer_range = std::mem::take(&mut self.range_depth);
        let (root, ending) = self.list()?;
        (self.variables, self.range_depth) = (outer, outer_range);
        if let Ending::Else = ending {
            return self.error(format_args!("unexpected {} in {CONTEXT}", ending.shown()));
        }
        self.define(name.clone(), root)?;
        Ok(Node {
            position,
            kind: NodeKind::Template { name, pipe: Some(pipe) },
        })
    }

    fn template_call(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let position = self.peek_non_space().position;
        let name = self.template_name(CONTEXT)?;
        let pipe = if self.peek_non_space().kind == TokenKind::RightDelim {
            self.take();
            None
        } else {
            Some(self.pipeline(CONTEXT, TokenKind::RightDelim)?)
        };
        Ok(Node {
            position,
            kind: NodeKind::Template { name, pipe },
        })
    }
}
