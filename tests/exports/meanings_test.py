from sagan_tf.exports.meanings import meanings


def test_every_tensor_has_a_meaning():
    signatures = {
        "images": {"inputs": {"z": {}, "labels": {}}, "outputs": {"images": {}}},
        "attention": {"inputs": {"z": {}}, "outputs": {"attention_8x8": {}}},
    }
    found = meanings(signatures, {"num_classes": 10, "image_channels": 3})
    assert [*found] == ["attention_8x8", "images", "labels", "z"]
    assert found["labels"] == "classes, from 0 to 9"
    assert "red, green, blue" in found["images"]
    gray = meanings(signatures, {"num_classes": 10, "image_channels": 1})
    assert "gray" in gray["images"]
