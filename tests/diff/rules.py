"""Why a difference stands: rule: the sentence that decides it. differences.tsv says where each applies."""
RULES = {
    # ---- structure
    "mbox-line-inside": "a line `From …` begins the message within: RFC 5322 has no such line, it is no field and so the header section is "
                        "over (2.2); it is left out only at the top of a file, where an mbox has it.",
    "encoded-message": "message/rfc822 may have no encoding but 7bit, 8bit and binary (RFC 2046 5.2.1, RFC 2045 6.4): what is encoded all the same "
                       "stays one leaf of unread octets, or is read as it stands, and is never unpacked into parts.",
    "empty-message": "a message/rfc822 of nothing has an empty message within, whose type is text/plain (RFC 2045 5.2); GMime has no part for it.",
    "first-field-counts": "a field that may stand once stands twice (RFC 5322 3.6, RFC 2045 5): the first one counts everywhere here, so that no two "
                          "readers in one server take different ones; GMime takes the last.",
    "type-unreadable": "a Content-Type that the grammar does not yield a type from means text/plain (RFC 2045 5.2).",
    "no-delimiter": "a multipart whose boundary never comes is a multipart without parts: the field says so, and nothing is guessed; GMime takes it for text.",
    "missing-semicolon": "the ';' before a parameter is missing: type and parameter are taken apart all the same, as every reader of such reports needs.",
    "boundary-unquoted": "a boundary with '=' stands without its quotes (RFC 2045 5.1 wants them): it is read to the next ';' or blank.",
    "boundary-folded": "a folded boundary is unfolded (RFC 5322 2.2.3), blanks and all; compat32 keeps the line end in it.",
    # ---- octets
    "qp-trailing-blank": "white space at the end of a quoted-printable line is not of the text and is deleted (RFC 2045 6.7 rule 3).",
    "base64-lenient": "characters outside the alphabet are passed over in base64 (RFC 2045 6.8), and what is padded in the middle goes on behind it, "
                      "so that joined pieces lose nothing; Python returns the raw text, or stops at the padding.",
    "base64-last-quantum": "an unpadded last quantum still holds whole octets, which are given (RFC 2045 6.8); GMime drops them.",
    "cr-before-delimiter": "the whole CRLF before a delimiter belongs to the delimiter (RFC 2046 5.1.1); GMime leaves its CR in the part.",
    "no-close-delimiter": "without a closing delimiter the part ends where what it is in ends, and no line end before that is anyone else's "
                          "(RFC 2046 5.1.1 gives only the one before a delimiter away); Python drops one.",
    "header-ends-at-no-field": "a line that is no field and no continuation ends the header section, and is the body's first (RFC 5322 2.1): nothing is "
                               "lost or skipped; GMime goes on to later fields, Python does not know WSP before the colon (RFC 5322 4.5).",
    # ---- header text
    "eight-bit-header": "octets beyond ASCII in a field are UTF-8 where they are valid UTF-8 (RFC 6532), windows-1252 where not; Python puts U+FFFD "
                        "or surrogates there, GMime guesses otherwise.",
    "encoded-word-blanks": "white space between an encoded-word and text is of the text, and none is put in (RFC 2047 6.2).",
    "encoded-word-joined": "a character cut in two by neighbouring encoded-words of one charset is made whole (against RFC 2047 5, yet common).",
    "encoded-word-odd": "an encoded-word with blanks or an end that the grammar has not is read as its sender meant it, as all mail programs show it.",
    "charset-unknown": "an unknown charset does not lose the text: it is read as windows-1252; Python raises LookupError.",
    "encoded-word-in-parameter": "an encoded-word in a parameter (forbidden by RFC 2047 5, written by everybody) is decoded.",
    # ---- filenames
    "filename-last-component": "a filename is its last component: no path of the sender's, by / or \\, leads anywhere (RFC 2183 2.3).",
    "filename-unquoted": "a filename with blanks stands without quotes: it is read to the next ';'.",
    "filename-eight-bit": "octets beyond ASCII in a parameter are read as in any field.",
    # ---- addresses
    "address-lenient": "an address that breaks the grammar is shown as written, not dropped: whoever judges the author must see one (SECURITY.md R9).",
    "address-fields-twice": "addresses of all fields of the name are given, one with WSP before its colon (RFC 5322 4.5) too; Python does not know that one.",
    "address-no-local-part": "`<Undisclosed-Recipient:@host;>`: what is left of it is shown, with its errors and an empty local part: no address "
                             "(RFC 5322 3.4.1) that anything could be sent to; peers drop it.",
}
