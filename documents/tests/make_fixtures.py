"""Makes the fixtures of Word and OpenDocument, and checks documents that were translated by upper-casing.

    python make_fixtures.py FOLDER          # writes made.docx and made.odt
    python make_fixtures.py FOLDER check    # opens them and upper.docx and upper.odt, and compares their texts

It needs python-docx 1.2 and odfpy 1.4. The same versions give the same XML, but archives with other times.
"""

import sys
from pathlib import Path

import docx
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from odf import teletype
from odf.draw import Frame, TextBox
from odf.office import Annotation
from odf.opendocument import OpenDocumentText, load
from odf.style import Footer, Header, MasterPage, PageLayout, Style, TextProperties
from odf.table import Table, TableCell, TableRow
from odf.text import A, H, LineBreak, Note, NoteBody, NoteCitation, P, S, Span, Tab


def make_docx(path):
    document = docx.Document()
    document.add_heading("The red bicycle", level=1)
    paragraph = document.add_paragraph("The old teacher buys ")
    paragraph.add_run("the red").bold = True
    paragraph.add_run(" bicycle & a ")
    italic = paragraph.add_run("small <book>")
    italic.italic = True
    paragraph.add_run(".")
    # Word divides runs at spelling errors and at places where text was changed.
    paragraph = document.add_paragraph("Two chil")
    error = OxmlElement("w:proofErr")
    error.set(qn("w:type"), "spellStart")
    paragraph._p.append(error)
    paragraph.add_run("dren play")
    paragraph.add_run(" in the garden.")
    paragraph = document.add_paragraph()
    paragraph.add_run("Name:\tAnna\nCity:\tBerlin")
    paragraph = document.add_paragraph("See ")
    link = parse_xml(
        f'<w:hyperlink {nsdecls("w")} w:anchor="here"><w:r><w:rPr><w:u w:val="single"/></w:rPr>'
        "<w:t>this page</w:t></w:r></w:hyperlink>"
    )
    paragraph._p.append(link)
    paragraph.add_run(" of page ")
    for kind, text in [("begin", None), (None, " PAGE "), ("separate", None), ("result", "7"), ("end", None)]:
        run = paragraph.add_run()
        if kind is None:
            code = OxmlElement("w:instrText")
            code.text = text
            run._r.append(code)
        elif kind == "result":
            run.text = text
        else:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
            run._r.append(mark)
    paragraph.add_run(" today.")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip([cell for row in table.rows for cell in row.cells], ["Word", "Number", "house", "12.5"]):
        cell.text = text
    paragraph = document.add_paragraph("A picture with a text box ")
    box = parse_xml(
        f'<w:r {nsdecls("w")}><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml"><v:textbox>'
        "<w:txbxContent><w:p><w:r><w:t>text in a box</w:t></w:r></w:p></w:txbxContent>"
        "</v:textbox></v:shape></w:pict></w:r>"
    )
    paragraph._p.append(box)
    paragraph.add_run(" is here.")
    control = parse_xml(
        f'<w:sdt {nsdecls("w")}><w:sdtPr><w:alias w:val="title"/></w:sdtPr><w:sdtContent><w:r><w:t>a title</w:t></w:r>'
        "</w:sdtContent></w:sdt>"
    )
    paragraph = document.add_paragraph("It has ")
    paragraph._p.append(control)
    paragraph.add_run(" in it.")
    commented = document.add_paragraph("This line has a comment.")
    document.add_comment(commented.runs, text="Is this right?", author="Anna", initials="A")
    section = document.sections[0]
    section.header.paragraphs[0].text = "Head of the page"
    section.footer.paragraphs[0].text = "Foot of the page"
    # Most of the template is of no use here.
    for style in list(document.styles):
        if style.name not in ("Normal", "Heading 1", "Header", "Footer", "Normal Table"):
            style.delete()
    styles = document.styles.element
    styles.remove(styles.find(qn("w:latentStyles")))
    for relationships in (document.part.rels, document.part.package.rels):
        for name, relationship in list(relationships.items()):
            if relationship.reltype.endswith(("/stylesWithEffects", "/theme", "/customXml", "/thumbnail")):
                del relationships[name]
    document.save(path)


def make_odt(path):
    document = OpenDocumentText()
    bold = Style(name="Bold", family="text")
    bold.addElement(TextProperties(fontweight="bold"))
    document.automaticstyles.addElement(bold)
    layout = PageLayout(name="Page")
    document.automaticstyles.addElement(layout)
    master = MasterPage(name="Standard", pagelayoutname="Page")
    document.masterstyles.addElement(master)
    for element, text in [(Header, "Head of the page"), (Footer, "Foot of the page")]:
        part = element()
        part.addElement(P(text=text))
        master.addElement(part)
    text = document.text
    text.addElement(H(outlinelevel=1, text="The red bicycle"))
    paragraph = P(text="The old teacher buys ")
    paragraph.addElement(Span(stylename=bold, text="the red"))
    paragraph.addText(" bicycle & a <small> book.")
    text.addElement(paragraph)
    paragraph = P(text="Two children")
    paragraph.addElement(S(c=3))
    paragraph.addText("play.")
    text.addElement(paragraph)
    paragraph = P(text="Name:")
    paragraph.addElement(Tab())
    paragraph.addElement(Span(stylename=bold, text="Anna"))
    paragraph.addElement(LineBreak())
    paragraph.addText("and ")
    span = Span(stylename=bold, text="one")
    span.addElement(LineBreak())
    span.addText("two")
    paragraph.addElement(span)
    text.addElement(paragraph)
    paragraph = P(text="A note")
    note = Note(noteclass="footnote", id="note1")
    note.addElement(NoteCitation(text="1"))
    body = NoteBody()
    body.addElement(P(text="at the foot of the page"))
    note.addElement(body)
    paragraph.addElement(note)
    paragraph.addText(" and ")
    paragraph.addElement(A(href="https://example.org/", type="simple", text="a link"))
    paragraph.addText(".")
    text.addElement(paragraph)
    paragraph = P(text="A box ")
    frame = Frame(anchortype="as-char", width="2cm", height="1cm")
    box = TextBox()
    box.addElement(P(text="text in a box"))
    frame.addElement(box)
    paragraph.addElement(frame)
    paragraph.addText(" and a comment")
    annotation = Annotation()
    annotation.addElement(P(text="Is this right?"))
    paragraph.addElement(annotation)
    paragraph.addText(" here.")
    text.addElement(paragraph)
    table = Table(name="Words")
    for texts in [("Word", "Number"), ("house", "12.5")]:
        row = TableRow()
        for cell_text in texts:
            cell = TableCell()
            cell.addElement(P(text=cell_text))
            row.addElement(cell)
        table.addElement(row)
    text.addElement(table)
    document.save(str(path))


def looks(document):
    """All paragraphs of a Word document: each character with what its run looks like."""
    section = document.sections[0]
    roots = [document.element.body, section.header._element, section.footer._element]
    roots += [comment._element for comment in document.comments]
    found = []
    for root in roots:
        for paragraph in root.iter(qn("w:p")):
            characters = []
            for text in paragraph.iter(qn("w:t")):
                properties = text.getparent().find(qn("w:rPr"))
                look = "" if properties is None else sorted(child.tag for child in properties)
                characters += [(character, look) for character in text.text or ""]
            found.append(characters)
    return found


def odt_texts(path):
    document = load(str(path))
    elements = [element for kind in (H, P) for element in document.getElementsByType(kind)]
    return [teletype.extractText(element) for element in elements]


def check(folder):
    made, upper = (looks(docx.Document(folder / name)) for name in ("made.docx", "upper.docx"))
    assert sum(len(paragraph) for paragraph in made) > 200
    expected = [[(character.upper(), look) for character, look in paragraph] for paragraph in made]
    for paragraph, of_upper in zip(expected, upper, strict=True):
        assert paragraph == of_upper, (paragraph, of_upper)
    made, upper = odt_texts(folder / "made.odt"), odt_texts(folder / "upper.odt")
    assert len(made) == 15, made
    assert [text.upper() for text in made] == upper, upper
    print(f"{len(expected)} paragraphs of Word and {len(made)} of OpenDocument are as expected")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if sys.argv[2:] == ["check"]:
        check(folder)
    else:
        make_docx(folder / "made.docx")
        make_odt(folder / "made.odt")
