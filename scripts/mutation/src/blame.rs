//! Which mutants a compiler's message is about: those in the smallest switch around its place.

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, ExprIf, ExprMatch, Lit};

#[derive(Debug)]
struct Region {
    from: (usize, usize),
    to: (usize, usize),
    mutants: Vec<usize>,
}

#[derive(Default)]
pub struct Regions(Vec<Region>);

impl Regions {
    pub fn of(file: &syn::File) -> Self {
        let mut regions = Self::default();
        regions.visit_file(file);
        regions
    }

    /// Line and column from 1.
    pub fn around(&self, line: usize, column: usize) -> &[usize] {
        let at = (line, column - 1);
        let around =
            self.0.iter().filter(|region| region.from <= at && at < region.to && !region.mutants.is_empty());
        let size =
            |region: &&Region| (region.to.0 - region.from.0, region.to.1 as isize - region.from.1 as isize);
        around.min_by_key(size).map_or(&[], |region| &region.mutants)
    }

    fn push(&mut self, from: LineColumn, to: LineColumn, mutants: Vec<usize>) {
        self.0.push(Region { from: (from.line, from.column), to: (to.line, to.column), mutants });
    }
}

impl<'ast> Visit<'ast> for Regions {
    /// The values that a function returns at once, which its type may not allow.
    fn visit_block(&mut self, block: &'ast syn::Block) {
        let early = block.stmts.iter().map_while(|first| match first {
            syn::Stmt::Expr(Expr::If(branch), None) if branch.else_branch.is_none() => switched(&branch.cond),
            _ => None,
        });
        self.push(block.span().start(), block.span().end(), early.collect());
        visit::visit_block(self, block);
    }

    fn visit_expr_struct(&mut self, built: &'ast syn::ExprStruct) {
        let mut numbers = Numbers::default();
        for field in &built.fields {
            if let Expr::Paren(paren) = &field.expr
                && let Expr::If(branch) = &*paren.expr
            {
                numbers.0.extend(switched(&branch.cond));
            }
        }
        self.push(built.span().start(), built.span().end(), numbers.0);
        visit::visit_expr_struct(self, built);
    }

    fn visit_expr_if(&mut self, branch: &'ast ExprIf) {
        if let Some(number) = switched(&branch.cond) {
            self.push(branch.then_branch.span().start(), branch.then_branch.span().end(), vec![number]);
        }
        visit::visit_expr_if(self, branch);
    }

    fn visit_expr_match(&mut self, matched: &'ast ExprMatch) {
        let mut numbers = Numbers::default();
        match matched.arms.as_slice() {
            [only] => {
                if let Expr::Block(block) = &*only.body {
                    numbers.chain(&block.block);
                }
            }
            arms => arms
                .iter()
                .filter_map(|arm| arm.guard.as_ref())
                .for_each(|(_, guard)| numbers.visit_expr(guard)),
        }
        self.push(matched.span().start(), matched.span().end(), numbers.0);
        visit::visit_expr_match(self, matched);
    }
}

#[derive(Default)]
struct Numbers(Vec<usize>);

impl Numbers {
    /// `if a {..} else if b {..} else {..}`
    fn chain(&mut self, block: &syn::Block) {
        let Some(syn::Stmt::Expr(mut expr, _)) = block.stmts.first().cloned() else { return };
        while let Expr::If(branch) = expr {
            self.0.extend(switched(&branch.cond));
            let Some((_, other)) = branch.else_branch else { return };
            expr = *other;
        }
    }
}

impl<'ast> Visit<'ast> for Numbers {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        self.0.extend(switched(expr));
        visit::visit_expr(self, expr);
    }
}

/// `crate::__mutant(number)`
fn switched(expr: &Expr) -> Option<usize> {
    let Expr::Call(call) = expr else { return None };
    let Expr::Path(path) = &*call.func else { return None };
    if path.path.segments.last()?.ident != "__mutant" {
        return None;
    }
    let Some(Expr::Lit(literal)) = call.args.first() else { return None };
    let Lit::Int(number) = &literal.lit else { return None };
    number.base10_parse().ok()
}
