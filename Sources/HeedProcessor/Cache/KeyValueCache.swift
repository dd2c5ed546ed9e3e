import CHeedKernels
import HeedSupport
import HeedTensor

/// Keys and values of earlier tokens, by layer and slot, in the layout that attention streams.
///
/// keys [layer][slot][head][capacity/16][width][16], values [layer][slot][head][capacity][width]; fp32.
/// Bytes: 2 · layers · slots · capacity · heads · width · 4. The owner of a generation holds it; plans only point to it.
public final class KeyValueCache: KeyValueStore, @unchecked Sendable {
    // Sendable: one pass at a time writes it, as with every buffer of a plan.

    /// Blocks of the model.
    public let layers: Int
    /// Sequences that can be held.
    public let slots: Int
    /// Tokens per slot, a multiple of the key tile.
    public let capacity: Int
    private let headCount: Int
    private let width: Int
    private let memory: AlignedMemory

    /// Room for `slots` sequences of `tokens` tokens.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(layers: Int, slots: Int, tokens: Int, heads: Int, width: Int) throws {
        let tile = Int(HEED_KEY_TILE)
        self.layers = layers
        self.slots = slots
        capacity = (max(tokens, 1) + tile - 1) / tile * tile
        headCount = heads
        self.width = width
        memory = try AlignedMemory(byteCount: 2 * layers * slots * capacity * heads * width * 4)
    }

    /// The bytes it holds.
    public var byteCount: Int { memory.byteCount }

    private var slotElements: Int { headCount * capacity * width }

    func layout(layer: Int) -> heed_cache_layout {
        let layerElements = slots * slotElements
        let keys = memory.floats + 2 * layer * layerElements
        return heed_cache_layout(
            keys: keys, values: keys + layerElements, kv_heads: Int32(headCount), width: Int32(width),
            capacity: Int32(capacity))
    }

    /// Makes the first `tokens` tokens of slot `to` those of slot `from` in every layer, where the first `same` are
    /// already.
    public func copy(from: Int, to: Int, tokens: Int, same: Int = 0) {
        guard from != to, same < tokens else { return }
        let firstPanel = same / 16 * 16
        let endPanel = (tokens + 15) / 16 * 16
        for layer in 0..<layers {
            let layout = layout(layer: layer)
            guard let keys = layout.keys, let values = layout.values else { return }
            for head in 0..<headCount {
                let base = head * capacity * width
                let key = base + firstPanel * width
                (keys + to * slotElements + key).update(
                    from: keys + from * slotElements + key, count: (endPanel - firstPanel) * width)
                let value = base + same * width
                (values + to * slotElements + value).update(
                    from: values + from * slotElements + value, count: (tokens - same) * width)
            }
        }
    }
}
