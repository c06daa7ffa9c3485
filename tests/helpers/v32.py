"""Small V3.2 models of transformers, as hypothesis draws them."""

from hypothesis import strategies as st
from transformers import DeepseekV32Config


def V32(draw, **fields) -> DeepseekV32Config:
    """A random small config. Sixteen index heads or more, so that few scores are exactly 0."""
    heads, rope, groups = draw(st.integers(1, 4)), 2 * draw(st.integers(1, 6)), draw(st.sampled_from([1, 2]))
    config = DeepseekV32Config(
        **{
            **dict(
                vocab_size=draw(st.integers(5, 40)), hidden_size=draw(st.integers(4, 40)),
                num_hidden_layers=draw(st.integers(1, 3)), num_attention_heads=heads, num_key_value_heads=heads,
                q_lora_rank=draw(st.integers(4, 24)), kv_lora_rank=draw(st.integers(4, 20)),
                qk_nope_head_dim=draw(st.integers(1, 16)), qk_rope_head_dim=rope, v_head_dim=draw(st.integers(1, 16)),
                intermediate_size=draw(st.integers(1, 20)), moe_intermediate_size=draw(st.integers(1, 12)),
                n_routed_experts=4 * groups, num_experts_per_tok=draw(st.integers(1, 4)), n_group=groups,
                topk_group=draw(st.integers(1, groups)), n_shared_experts=draw(st.integers(1, 2)),
                first_k_dense_replace=draw(st.integers(0, 3)), attention_bias=draw(st.booleans()),
                tie_word_embeddings=draw(st.booleans()), index_topk=draw(st.integers(1, 8)),
                index_n_heads=draw(st.integers(16, 24)), index_head_dim=rope + draw(st.integers(0, 12)),
                rope_parameters=draw(st.sampled_from([
                    {"rope_type": "default", "rope_theta": 1e4},
                    {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 16,
                     "mscale": 1.0, "mscale_all_dim": 1.0},
                ])), max_position_embeddings=4096, bos_token_id=None, eos_token_id=None,
            ),
            **fields,
        }
    )  # fmt: skip
    config._attn_implementation = "eager"
    return config
