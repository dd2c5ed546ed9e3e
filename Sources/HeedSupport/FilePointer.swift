/// Throws where a file is a git-lfs pointer: three lines of text that say where the real file may be fetched.
///
/// Source: the git-lfs specification, version 1, "The Pointer".
package func refusePointer(_ bytes: UnsafeRawBufferPointer, _ file: String) throws {
    let start = Array("version https://git-lfs.github.com/spec/".utf8)
    guard bytes.count >= start.count, bytes.prefix(start.count).elementsEqual(start) else { return }
    throw HeedError(
        .missing, "is a git-lfs pointer of \(bytes.count) bytes, not the weights themselves", in: file,
        advice: "Fetch the file: run git lfs pull in its folder, or download it from where the model is published")
}
