// Package strictjson reads JSON (RFC 8259) under rules that leave a document
// one meaning, and appends JSON without reflection.
//
// encoding/json accepts repeated and differently cased member names, invalid
// UTF-8 and lone surrogates, and rounds large numbers. Two readers of such a
// document can disagree about what it says, which is how one subject becomes
// another. A [Reader] refuses:
//
//   - a member name that occurs twice in an object, however it is escaped
//   - a name that differs only by case from a known one ([Options.Known])
//   - bytes that are not UTF-8, half a surrogate pair, and NUL ([Options.AllowNUL])
//   - objects and arrays nested deeper than [Options.MaxDepth]
//   - anything after the document
//   - numbers that int64 or a float64 below 2⁵³ cannot hold, where a number is read
//     ([Options.KeepNumbers])
//
// # Reading
//
// A Reader keeps its first error, after which every method returns a zero value
// and no loop goes on. Check the error once, at the end:
//
//	r := strictjson.New(text, strictjson.Options{})
//	for name := range r.Object() {
//		switch name {
//		case "sub":
//			c.subject = r.String()
//		case "iat":
//			c.issued = r.Int64()
//		case "cnf":
//			for name := range r.Object() {
//				if name == "jkt" {
//					c.jkt = r.String()
//				}
//			}
//		default:
//			r.Fail(errUnknown) // or nothing, to skip the member
//		}
//	}
//	if err := r.End(); err != nil {
//		return nil, err
//	}
//
// A value that the loop does not read is skipped, and checked like any other.
// [Reader.Kind] and [Reader.Null] look at a value before it is read;
// [Reader.Value] reads any value into the types that encoding/json uses, with
// int64 for whole numbers; [Reader.Raw] returns its text; [Reader.Fail] adds an
// error of the caller's. [Check] only validates.
//
// Errors give the kind, the offset and the name of a known member. They repeat
// nothing else of the document, which may be personal or secret.
//
// # Appending
//
// A [Buffer] grows member by member, and can begin on the stack:
//
//	var room [1024]byte
//	b := strictjson.Buffer(room[:0]).Begin()
//	b = b.String("status", "ok")
//	b = b.OmitString("scope", scope) // absent when empty
//	b = b.Int("expires_in", 900)
//	b = b.Key("checks").BeginArray()
//	for _, c := range checks {
//		b = b.Next().Begin().String("check", c.Name).End()
//	}
//	b = b.EndArray().End()
//
// "<" is escaped, so that no browser takes a document for a page, and bytes
// that are not UTF-8 become U+FFFD.
package strictjson
