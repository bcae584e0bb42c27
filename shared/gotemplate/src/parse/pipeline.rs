//! Pipelines, commands and operands.

use super::{Parsed, Parser};
use crate::ast::{Command, Operand, OperandKind, Pipe};
use crate::lex::TokenKind;
use crate::literal::{parse_number, unquote};

impl Parser<'_> {
    /// A pipeline and the token that closes it.
    pub(super) fn pipeline(&mut self, context: &str, close: TokenKind) -> Parsed<Pipe> {
        self.enter()?;
        let position = self.peek_non_space().position;
        let mut pipe = Pipe {
            position,
            is_assign: false,
            variables: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.take_non_space();
            if token.kind == close {
                break;
            }
            match token.kind {
                TokenKind::Bool
                | TokenKind::CharConstant
                | TokenKind::Dot
                | TokenKind::Field
                | TokenKind::Identifier
                | TokenKind::Number
                | TokenKind::Nil
                | TokenKind::RawString
                | TokenKind::String
                | TokenKind::Variable
                | TokenKind::LeftParen => {
                    self.next -= 1;
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.error(format_args!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.operands[0].kind,
                OperandKind::Bool(_)
                    | OperandKind::Dot
                    | OperandKind::Nil
                    | OperandKind::Number(_)
                    | OperandKind::String { .. }
            ) {
                return self.error(format_args!("non executable command in pipeline stage {}", index + 1));
            }
        }
        self.depth -= 1;
        Ok(pipe)
    }

    /// `$x :=`, `$x =` or, for `range`, `$i, $x :=` at the start of a pipeline.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        loop {
            let start = self.next;
            if self.peek_non_space().kind != TokenKind::Variable {
                return Ok(());
            }
            let variable = self.take();
            let next = self.peek_non_space().clone();
            match next.kind {
                TokenKind::Assign | TokenKind::Declare => {
                    self.take();
                    pipe.is_assign = next.kind == TokenKind::Assign;
                    pipe.variables.push(variable.text.clone());
                    self.variables.push(variable.text);
                    return Ok(());
                }
                TokenKind::Char if next.text == "," => {
                    self.take();
                    pipe.variables.push(variable.text.clone());
                    self.variables.push(variable.text);
                    if context != "range" || pipe.variables.len() >= 2 {
                        return self.error(format_args!("too many declarations in {context}"));
                    }
                    match self.peek_non_space().kind {
                        TokenKind::Variable | TokenKind::RightDelim | TokenKind::RightParen => {}
                        _ => return self.error("range can only initialize variables"),
                    }
                }
                _ => {
                    self.next = start;
                    return Ok(());
                }
            }
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        let position = self.peek_non_space().position;
        let mut operands = Vec::new();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.take();
            match token.kind {
                TokenKind::Space => {}
                TokenKind::RightDelim | TokenKind::RightParen => {
                    self.next -= 1;
                    break;
                }
                TokenKind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if operands.is_empty() {
            self.error("empty command")
        } else {
            Ok(Command { position, operands })
        }
    }

    /// A term, and the fields that follow it.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut term) = self.term()? else { return Ok(None) };
        if self.peek().kind != TokenKind::Field {
            return Ok(Some(term));
        }
        let position = self.peek().position;
        let mut fields = Vec::new();
        while self.peek().kind == TokenKind::Field {
            fields.push(self.take().text[1..].to_owned());
        }
        match &mut term.kind {
            OperandKind::Field(names) | OperandKind::Variable(_, names) => {
                names.append(&mut fields);
                term.position = position;
            }
            OperandKind::Identifier(_) | OperandKind::Pipe(_) | OperandKind::Chain(..) => {
                term = Operand {
                    position,
                    kind: OperandKind::Chain(Box::new(term), fields),
                };
            }
            _ => {
                let shown = parapet_model::quote(&term.to_string());
                return self.error(format_args!("unexpected . after term {shown}"));
            }
        }
        Ok(Some(term))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.take_non_space();
        let kind = match token.kind {
            TokenKind::Error => return self.unexpected(&token, ""),
            TokenKind::Identifier => {
                if !(self.has_function)(&token.text) {
                    let name = parapet_model::quote(&token.text);
                    return self.error(format_args!("function {name} not defined"));
                }
                OperandKind::Identifier(token.text)
            }
            TokenKind::Dot => OperandKind::Dot,
            TokenKind::Nil => OperandKind::Nil,
            TokenKind::Variable => {
                if !self.variables.contains(&token.text) {
                    let name = parapet_model::quote(&token.text);
                    return self.error(format_args!("undefined variable {name}"));
                }
                OperandKind::Variable(token.text, Vec::new())
            }
            TokenKind::Field => OperandKind::Field(vec![token.text[1..].to_owned()]),
            TokenKind::Bool => OperandKind::Bool(token.text == "true"),
            TokenKind::Number | TokenKind::CharConstant => match parse_number(&token.text) {
                Ok(number) => OperandKind::Number(number),
                Err(message) => return self.error(message),
            },
            TokenKind::LeftParen => OperandKind::Pipe(Box::new(
                self.pipeline("parenthesized pipeline", TokenKind::RightParen)?,
            )),
            TokenKind::String | TokenKind::RawString => match unquote(&token.text) {
                Some(text) => OperandKind::String {
                    quoted: token.text,
                    text: text.into(),
                },
                None => return self.error("invalid syntax"),
            },
            _ => {
                self.next -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Operand {
            position: token.position,
            kind,
        }))
    }
}
